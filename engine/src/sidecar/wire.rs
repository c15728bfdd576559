//! The wire format of Protocol Buffers (version 3, "Encoding"), as far as `portcullis.v1` uses it.
//!
//! By hand, because the few messages need two wire types: what a crate brings along for the others would be a tenth of
//! a megabyte of the filter. A property test holds it against a full implementation.

/// Writes the fields of one message. What has its default value is left out, as proto3 wants it.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// A message with nothing in it yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A `uint32`, `uint64` or `enum`.
    pub fn number(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.varint(u64::from(field) << 3 | VARINT);
            self.varint(number);
        }
    }

    /// A `string` or `bytes`.
    pub fn bytes(&mut self, field: u32, bytes: impl AsRef<[u8]>) {
        if !bytes.as_ref().is_empty() {
            self.item(field, bytes);
        }
    }

    /// An element of a repeated `string`, or a message that is there even if it is empty.
    pub fn item(&mut self, field: u32, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.varint(u64::from(field) << 3 | LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// Fields that are encoded already.
    pub fn encoded(&mut self, fields: &[u8]) {
        self.0.extend_from_slice(fields);
    }

    /// The message.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

/// Reads the fields of one message, in the order in which they stand. It ends behind the first that is malformed.
#[derive(Clone, Debug)]
pub struct Reader<'b>(&'b [u8]);

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'b> {
    /// Its number.
    pub number: u32,
    /// What it holds.
    pub value: Value<'b>,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'b> {
    /// A number.
    Number(u64),
    /// A string, bytes or a message.
    Bytes(&'b [u8]),
    /// Of a type that the contract does not use: a field of a later version.
    Other,
}

/// The bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl<'b> Reader<'b> {
    /// Reads this message.
    #[must_use]
    pub fn new(message: &'b [u8]) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Option<Field<'b>> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| *number != 0)?;
        let value = match tag & 7 {
            VARINT => Value::Number(self.varint()?),
            LENGTH => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            FIXED64 => self.take(8).map(|_| Value::Other)?,
            FIXED32 => self.take(4).map(|_| Value::Other)?,
            _ => return None,
        };
        Some(Field { number, value })
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

impl<'b> Iterator for Reader<'b> {
    type Item = Result<Field<'b>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(Malformed))
    }
}

impl<'b> Value<'b> {
    /// A string of at most `longest` bytes.
    ///
    /// # Errors
    /// [`Malformed`] for anything else.
    pub fn text(self, longest: usize) -> Result<&'b str, Malformed> {
        match self {
            Self::Bytes(bytes) if bytes.len() <= longest => std::str::from_utf8(bytes).map_err(|_| Malformed),
            _ => Err(Malformed),
        }
    }
}

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;
