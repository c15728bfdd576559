//! The grammar: words, operators, redirections, substitutions.

use std::ops::Range;

use super::{Command, MAX_COMMANDS, MAX_DEPTH, Redirect, Word};

/// Where commands go, and what bounds the work.
pub(super) struct Sink {
    pub commands: Vec<Command>,
    pub steps: usize,
    /// Bytes that expansions and nested scripts may still produce.
    pub budget: usize,
    variables: Vec<(String, String)>,
}

/// Reads `text`; with `origin` every span becomes that of the string which holds the text.
/// Returns the range of commands it added.
pub(super) fn run(text: &str, origin: Option<Range<usize>>, depth: usize, sink: &mut Sink) -> Range<usize> {
    let start = sink.commands.len();
    let mut parser = Parser { text, bytes: text.as_bytes(), pos: 0, origin, heredocs: Vec::new(), sink };
    // A stray closing bracket ends a list: the rest is read as another.
    while parser.pos < text.len() && parser.sink.commands.len() < MAX_COMMANDS {
        let before = parser.pos;
        parser.list(End::Text, depth, false);
        if parser.pos == before {
            parser.pos += 1;
        }
    }
    start..sink.commands.len()
}

impl Sink {
    pub fn new(length: usize) -> Self {
        Self { commands: Vec::new(), steps: 0, budget: 4 * length + 4096, variables: Vec::new() }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: &str, value: &str) {
        if value.len() > MAX_VALUE {
            return;
        }
        if let Some(slot) = self.variables.iter_mut().find(|(key, _)| key == name) {
            slot.1 = value.to_owned();
        } else if self.variables.len() < MAX_VARIABLES {
            self.variables.push((name.to_owned(), value.to_owned()));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Text,
    Paren,
    Backtick,
}

struct Parser<'t, 's> {
    text: &'t str,
    bytes: &'t [u8],
    pos: usize,
    origin: Option<Range<usize>>,
    /// Here-documents whose body has not come yet: delimiter, whether tabs are stripped, command.
    heredocs: Vec<(String, bool, Option<usize>)>,
    sink: &'s mut Sink,
}

/// A word being read; brace expansion makes it several.
struct Building {
    parts: Vec<Part>,
    started: bool,
    quoted: bool,
    /// Something in it serves to hide: `${IFS}`, an octal escape, `$(printf rm)`.
    disguised: bool,
    done: Vec<Word>,
    from: usize,
}

#[derive(Clone, Default)]
struct Part {
    text: String,
    bare: Option<String>,
}

impl Parser<'_, '_> {
    /// Reads commands up to `end`; true if that was found.
    fn list(&mut self, end: End, depth: usize, substituted: bool) -> bool {
        let mut piped: Option<usize> = None;
        loop {
            let mut command = Command { substituted, pipe_from: piped, ..Command::default() };
            let from = self.skip_blank();
            let mut disguised_name = false;
            // One simple command.
            let stop = loop {
                self.skip_blank();
                let Some(byte) = self.peek(0) else { break 0 };
                match byte {
                    b'\n' => {
                        self.pos += 1;
                        break b'\n';
                    }
                    b';' => {
                        self.pos += 1;
                        break b';';
                    }
                    b'|' => {
                        self.pos += 1;
                        match self.peek(0) {
                            Some(b'|') => {
                                self.pos += 1;
                                break b'o';
                            }
                            Some(b'&') => {
                                self.pos += 1;
                                break b'|';
                            }
                            _ => break b'|',
                        }
                    }
                    b'&' => {
                        if self.peek(1) == Some(b'>') {
                            self.pos += 1;
                            self.redirect(&mut command, depth, b'&');
                            continue;
                        }
                        self.pos += 1;
                        if self.peek(0) == Some(b'&') {
                            self.pos += 1;
                            break b'a';
                        }
                        break b'&';
                    }
                    b'(' => {
                        self.pos += 1;
                        // `name() { … }` defines a function: its body runs when it is called.
                        if self.peek(0) == Some(b')') {
                            self.pos += 1;
                            command.words.clear();
                            continue;
                        }
                        if depth < MAX_DEPTH {
                            // Behind a name, as in `iex (iwr …)`, PowerShell makes an argument of what it prints.
                            let start = self.pos;
                            let argument = !command.words.is_empty();
                            self.list(End::Paren, depth + 1, substituted || argument);
                            let source = self.text.get(start..self.pos).unwrap_or("").to_owned();
                            if argument && self.afford(source.len()) {
                                let span = self.span(start..self.pos);
                                command.words.push(Word { text: format!("({source}"), span, ..Word::default() });
                            }
                        }
                    }
                    b')' => {
                        self.pos += 1;
                        break b')';
                    }
                    b'`' if end == End::Backtick => {
                        self.pos += 1;
                        break b'`';
                    }
                    b'<' | b'>' => self.redirect(&mut command, depth, byte),
                    b'#' => self.skip_comment(),
                    b'0'..=b'9' if matches!(self.peek(1), Some(b'<' | b'>')) => {
                        self.pos += 1;
                        self.redirect(&mut command, depth, self.peek(0).unwrap_or(b'>'));
                    }
                    _ => {
                        if let Some(word) = self.plain() {
                            self.take(&mut command, word, &mut disguised_name);
                        } else {
                            let naming = command.words.is_empty();
                            let (words, disguised) = self.word(depth, end, naming);
                            disguised_name |= naming && disguised;
                            for word in words {
                                self.take(&mut command, word, &mut disguised_name);
                            }
                        }
                    }
                }
                if self.pos >= self.text.len() {
                    break 0;
                }
            };
            command.end = stop;
            piped = None;
            if !command.words.is_empty() || !command.redirects.is_empty() || !command.assignments.is_empty() {
                command.span = self.span(from..self.pos);
                command.disguised = disguised_name;
                if command.words.is_empty() {
                    command.words.push(Word { span: command.span.clone(), ..Word::default() });
                }
                export(&command, self.sink);
                let index = self.sink.commands.len();
                self.sink.commands.push(command);
                for doc in self.heredocs.iter_mut().filter(|doc| doc.2.is_none()) {
                    doc.2 = Some(index);
                }
                if stop == b'|' {
                    piped = Some(index);
                }
            } else if stop == b'|' || stop == b'\n' {
                // `a |\n b`, `| b`
                piped = command.pipe_from;
            }
            if stop == b'\n' {
                self.heredoc_bodies();
            }
            let ended = match stop {
                0 => return false,
                b')' => end == End::Paren,
                b'`' => true,
                _ => false,
            };
            if ended || self.sink.commands.len() >= MAX_COMMANDS {
                return ended;
            }
        }
    }

    /// Adds a word to a command: its name, an argument, or what stands before the name.
    fn take(&mut self, command: &mut Command, word: Word, disguised_name: &mut bool) {
        if command.words.is_empty() {
            if is_keyword(&word) {
                return;
            }
            if let Some((name, value)) = assignment(&word) {
                self.sink.set(name, value);
                if command.assignments.len() < 64 {
                    command.assignments.push((name.to_owned(), value.to_owned()));
                }
                *disguised_name = false;
                return;
            }
        }
        command.words.push(word);
    }

    /// A word that is as it is written, as most are.
    fn plain(&mut self) -> Option<Word> {
        let from = self.pos;
        let rest = self.bytes.get(from..).unwrap_or_default();
        let length = rest.iter().position(|byte| !is_plain(*byte)).unwrap_or(rest.len());
        if length == 0 || rest.get(length).is_some_and(|next| !ends_word(*next)) {
            return None;
        }
        self.pos += length;
        self.sink.steps += length;
        let text = self.text.get(from..self.pos).unwrap_or_default().to_owned();
        Some(Word { text, span: self.span(from..self.pos), ..Word::default() })
    }

    /// One word that is not [`plain`](Self::plain), or several if an expansion splits; and whether it hides something.
    fn word(&mut self, depth: usize, end: End, naming: bool) -> (Vec<Word>, bool) {
        let mut b = Building {
            parts: vec![Part::default()],
            started: false,
            quoted: false,
            disguised: false,
            done: Vec::new(),
            from: self.pos,
        };
        while let Some(byte) = self.peek(0) {
            match byte {
                _ if ends_word(byte) => break,
                b'`' if end == End::Backtick => break,
                b'\\' => self.escape(&mut b),
                b'\'' => {
                    self.pos += 1;
                    let body = self.until(b'\'');
                    b.open();
                    b.quoted = true;
                    // Hex escapes within the name of a command serve nothing but hiding it.
                    if naming && body.contains("\\x") {
                        b.disguised = true;
                        let body = ansi(body);
                        b.fields(&body, self.pos, &self.origin);
                    } else {
                        b.push(body);
                    }
                }
                b'"' => {
                    self.pos += 1;
                    self.double_quoted(&mut b, depth);
                }
                b'$' => self.dollar(&mut b, depth, false, naming),
                b'`' => {
                    self.pos += 1;
                    self.substitution(&mut b, depth, End::Backtick, false, naming);
                }
                b'{' => self.brace(&mut b),
                _ => {
                    let char = self.char();
                    // Invisible characters split words in the mind of whoever hides a command by them.
                    if is_invisible(char) {
                        if naming && b.started {
                            b.disguised = true;
                        }
                        self.pos += char.len_utf8();
                        b.split(self.pos, &self.origin);
                        continue;
                    }
                    let start = self.pos;
                    self.pos += char.len_utf8();
                    while let Some(next) = self.peek(0)
                        && is_plain(next)
                    {
                        self.pos += 1;
                    }
                    b.open();
                    b.push(self.text.get(start..self.pos).unwrap_or(""));
                }
            }
        }
        let disguised = b.disguised;
        b.split(self.pos, &self.origin);
        self.sink.steps += self.pos - b.from.min(self.pos);
        (b.done, disguised)
    }

    fn escape(&mut self, b: &mut Building) {
        self.pos += 1;
        let octal = self.bytes.get(self.pos..self.pos + 3).filter(|d| d.iter().all(|d| matches!(d, b'0'..=b'7')));
        let hex = self
            .bytes
            .get(self.pos..self.pos + 3)
            .filter(|d| d.first() == Some(&b'x') && d.iter().skip(1).all(u8::is_ascii_hexdigit));
        if octal.is_some() || hex.is_some() {
            let digits = self.text.get(self.pos..self.pos + 3).unwrap_or("");
            let value = match hex {
                Some(_) => u32::from_str_radix(digits.get(1..).unwrap_or(""), 16),
                None => u32::from_str_radix(digits, 8),
            };
            if let Some(char) = value.ok().and_then(char::from_u32).filter(|c| c.is_ascii() && !c.is_ascii_control()) {
                self.pos += 3;
                b.open();
                b.disguised = true;
                b.push(char.encode_utf8(&mut [0; 4]));
                return;
            }
        }
        match self.peek(0) {
            None => {}
            Some(b'\n') => self.pos += 1,
            Some(_) => {
                // `C:\Windows`: on Windows a backslash is no escape.
                let drive = b.parts.first().is_some_and(|part| part.text.as_bytes().get(1) == Some(&b':'));
                let char = self.char();
                self.pos += char.len_utf8();
                b.open();
                if drive {
                    b.push("\\");
                }
                b.push(char.encode_utf8(&mut [0; 4]));
            }
        }
    }

    fn double_quoted(&mut self, b: &mut Building, depth: usize) {
        b.open();
        b.quoted = true;
        loop {
            let start = self.pos;
            while let Some(byte) = self.peek(0)
                && !matches!(byte, b'"' | b'\\' | b'$' | b'`')
            {
                self.pos += 1;
            }
            b.push(self.text.get(start..self.pos).unwrap_or(""));
            match self.peek(0) {
                None => return,
                Some(b'"') => {
                    self.pos += 1;
                    return;
                }
                Some(b'\\') => {
                    self.pos += 1;
                    match self.peek(0) {
                        Some(b'\n') => self.pos += 1,
                        Some(next @ (b'"' | b'\\' | b'$' | b'`')) => {
                            self.pos += 1;
                            b.push((next as char).encode_utf8(&mut [0; 4]));
                        }
                        _ => b.push("\\"),
                    }
                }
                Some(b'$') => self.dollar(b, depth, true, false),
                Some(_) => {
                    self.pos += 1;
                    self.substitution(b, depth, End::Backtick, true, false);
                }
            }
        }
    }

    fn dollar(&mut self, b: &mut Building, depth: usize, quoted: bool, naming: bool) {
        let start = self.pos;
        self.pos += 1;
        match self.peek(0) {
            Some(b'\'') if !quoted => {
                self.pos += 1;
                let from = self.pos;
                while let Some(byte) = self.peek(0)
                    && byte != b'\''
                {
                    self.pos += 1 + usize::from(byte == b'\\');
                }
                self.pos = self.pos.min(self.text.len());
                let body = ansi(self.text.get(from..self.pos).unwrap_or(""));
                self.pos += 1;
                self.pos = self.pos.min(self.text.len());
                b.open();
                b.quoted = true;
                b.disguised |= naming;
                // In a name a space of this kind stands for one that a filter would see.
                if naming && body.contains([' ', '\t']) {
                    b.fields(&body, self.pos, &self.origin);
                } else {
                    b.push(&body);
                }
            }
            Some(b'"') if !quoted => {
                self.pos += 1;
                self.double_quoted(b, depth);
            }
            Some(b'(') => {
                self.pos += 1;
                self.substitution(b, depth, End::Paren, quoted, naming);
            }
            Some(b'{') => self.parameter(b, quoted, naming),
            Some(b'@' | b'*' | b'#' | b'?' | b'$' | b'!' | b'-' | b'0'..=b'9') => {
                self.pos += 1;
                b.unknown(self.text.get(start..self.pos).unwrap_or(""));
            }
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => {
                let from = self.pos;
                while let Some(byte) = self.peek(0)
                    && (byte.is_ascii_alphanumeric() || byte == b'_')
                {
                    self.pos += 1;
                }
                let name = self.text.get(from..self.pos).unwrap_or("");
                self.variable(b, name, start..self.pos, quoted, naming);
            }
            _ => {
                b.open();
                b.push("$");
            }
        }
    }

    /// `${…}`
    fn parameter(&mut self, b: &mut Building, quoted: bool, naming: bool) {
        let start = self.pos - 1;
        let inner = self.pos + 1;
        let mut at = inner;
        let mut level = 1usize;
        while let Some(byte) = self.bytes.get(at) {
            match byte {
                b'{' => level += 1,
                b'}' => level -= 1,
                b'\n' => break,
                _ => {}
            }
            if level == 0 || at - inner > MAX_VALUE {
                break;
            }
            at += 1;
        }
        self.pos = (at + 1).min(self.text.len());
        while !self.text.is_char_boundary(self.pos) {
            self.pos += 1;
        }
        self.sink.steps += self.pos - start;
        let body = self.text.get(inner..at).unwrap_or("");
        let (indirect, body) = body.strip_prefix('!').map_or((false, body), |rest| (true, rest));
        let length = body.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(body.len());
        let (mut name, operation) = body.split_at_checked(length).unwrap_or((body, ""));
        let pointed;
        if indirect && let Some(value) = self.sink.get(name) {
            pointed = value.to_owned();
            name = &pointed;
        }
        if name.is_empty() {
            b.unknown(self.text.get(start..self.pos).unwrap_or(""));
            return;
        }
        if let Some(cut) = operation.strip_prefix(':')
            && matches!(name, "PATH" | "HOME" | "PWD")
            && cut.replace(' ', "").starts_with("0:1")
        {
            b.open();
            b.disguised = true;
            b.push("/");
            return;
        }
        if self.sink.get(name).is_none() {
            let fallback = ["-", "=", ":-", ":="].iter().find_map(|prefix| operation.strip_prefix(prefix));
            if let Some(value) = fallback
                && !value.contains('$')
                && self.afford(value.len())
            {
                let value = value.trim_matches(['"', '\'']).to_owned();
                b.open();
                b.fields(&value, self.pos, &self.origin);
                return;
            }
        }
        let name = name.to_owned();
        self.variable(b, &name, start..self.pos, quoted, naming);
    }

    fn variable(&mut self, b: &mut Building, name: &str, source: Range<usize>, quoted: bool, naming: bool) {
        if name == "IFS" {
            b.disguised |= b.started && !quoted;
            b.split(self.pos, &self.origin);
            return;
        }
        match self.sink.get(name).map(str::to_owned) {
            Some(value) if self.afford(value.len()) => {
                b.open();
                if naming && self.sink.get("IFS").is_some() && !value.is_empty() {
                    b.disguised = true;
                }
                if quoted {
                    b.push(&value);
                } else {
                    b.fields(&value, self.pos, &self.origin);
                }
            }
            _ => {
                let source = self.text.get(source).unwrap_or("").to_owned();
                b.unknown(&source);
            }
        }
    }

    /// `$(…)` or backticks, after the opening; what `echo` and `printf` print takes its place.
    fn substitution(&mut self, b: &mut Building, depth: usize, end: End, quoted: bool, naming: bool) {
        let first = self.sink.commands.len();
        let start = self.pos;
        b.open();
        if depth >= MAX_DEPTH {
            b.unknown("");
            return;
        }
        self.list(end, depth + 1, true);
        let source = self.text.get(start..self.pos).unwrap_or("").trim_end_matches([')', '`']).to_owned();
        let last = self.sink.commands.len();
        let printed = self
            .sink
            .commands
            .get(first..last)
            .and_then(<[Command]>::last)
            .filter(|command| last - first <= 4 && command.pipe_from.is_none())
            .and_then(printed);
        match printed {
            Some(value) if self.afford(value.len()) => {
                b.disguised |= naming;
                if quoted {
                    b.push(&value);
                } else {
                    b.fields(value.trim(), self.pos, &self.origin);
                }
            }
            _ => {
                let keep = if self.afford(source.len()) { format!("$({source})") } else { "$()".to_owned() };
                b.unknown(&keep);
            }
        }
    }

    fn brace(&mut self, b: &mut Building) {
        let inner = self.pos + 1;
        let mut at = inner;
        while let Some(byte) = self.bytes.get(at)
            && at - inner < MAX_BRACE
            && !matches!(byte, b'{' | b'}' | b' ' | b'\t' | b'\n' | b'\'' | b'`' | b';' | b'|' | b'(')
        {
            at += 1;
        }
        self.sink.steps += at - inner;
        let body = self.text.get(inner..at).unwrap_or("");
        b.open();
        if self.bytes.get(at) != Some(&b'}') || !body.contains(',') {
            self.pos += 1;
            b.push("{");
            return;
        }
        self.pos = at + 1;
        let mut parts = Vec::new();
        for alternative in body.split(',').take(MAX_ALTERNATIVES) {
            let alternative = alternative.replace(['"', '\\'], "");
            for part in b.parts.iter().take(MAX_ALTERNATIVES) {
                if parts.len() < MAX_ALTERNATIVES && self.sink.budget > alternative.len() + part.text.len() {
                    self.sink.budget -= alternative.len() + part.text.len();
                    let mut part = part.clone();
                    part.text.push_str(&alternative);
                    if let Some(bare) = &mut part.bare {
                        bare.push_str(&alternative);
                    }
                    parts.push(part);
                }
            }
        }
        if !parts.is_empty() {
            b.parts = parts;
        }
    }

    fn redirect(&mut self, command: &mut Command, depth: usize, first: u8) {
        let mut kind = if first == b'&' { b'&' } else { self.peek(0).unwrap_or(b'>') };
        self.pos += 1;
        match (kind, self.peek(0), self.peek(1)) {
            (b'<', Some(b'<'), Some(b'<')) => {
                self.pos += 2;
                self.skip_blank();
                let (words, _) = self.word(depth, End::Text, false);
                let joined = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
                command.stdin = Some(joined);
                return;
            }
            (b'<', Some(b'<'), _) => {
                self.pos += 1;
                let strip = self.peek(0) == Some(b'-');
                self.pos += usize::from(strip);
                self.skip_blank();
                let (words, _) = self.word(depth, End::Text, false);
                if let Some(word) = words.into_iter().next()
                    && self.heredocs.len() < 8
                {
                    self.heredocs.push((word.text, strip, None));
                }
                return;
            }
            (_, Some(b'('), _) => {
                // <(…), >(…)
                self.pos += 1;
                if depth < MAX_DEPTH {
                    self.list(End::Paren, depth + 1, true);
                }
                command.words.push(Word { text: "/dev/fd/63".to_owned(), ..Word::default() });
                return;
            }
            (b'>', Some(b'>'), _) => {
                self.pos += 1;
                kind = b'a';
            }
            (_, Some(b'&'), _) => {
                self.pos += 1;
                kind = b'&';
            }
            (b'<', Some(b'>'), _) | (b'>', Some(b'|'), _) => self.pos += 1,
            (b'&', Some(b'>'), _) => {
                self.pos += 1;
                if self.peek(0) == Some(b'>') {
                    self.pos += 1;
                }
            }
            _ => {}
        }
        self.skip_blank();
        if let Some(word) = self.plain() {
            command.redirects.push(Redirect { kind, target: word.text });
            return;
        }
        let (words, _) = self.word(depth, End::Text, false);
        for (index, word) in words.into_iter().enumerate() {
            if index == 0 {
                command.redirects.push(Redirect { kind, target: word.text });
            } else {
                command.words.push(word);
            }
        }
    }

    fn heredoc_bodies(&mut self) {
        for (delimiter, strip, index) in std::mem::take(&mut self.heredocs) {
            let start = self.pos;
            let mut finish = self.text.len();
            let mut next = self.text.len();
            let mut offset = self.pos;
            for line in self.text.get(self.pos..).unwrap_or("").split_inclusive('\n') {
                let bare = line.trim_end_matches(['\n', '\r']);
                let bare = if strip { bare.trim_start_matches('\t') } else { bare };
                if bare == delimiter {
                    finish = offset;
                    next = offset + line.len();
                    break;
                }
                offset += line.len();
            }
            let body = self.text.get(start..finish).unwrap_or("");
            self.sink.steps += body.len();
            if body.len() < self.sink.budget
                && let Some(command) = index.and_then(|index| self.sink.commands.get_mut(index))
            {
                self.sink.budget -= body.len();
                command.stdin = Some(body.to_owned());
            }
            self.pos = next;
        }
    }

    /// The bytes up to `quote`, which is consumed; the rest of the text if there is none.
    fn until(&mut self, quote: u8) -> &'_ str {
        let start = self.pos;
        let rest = self.bytes.get(start..).unwrap_or(&[]);
        let length = memchr::memchr(quote, rest).unwrap_or(rest.len());
        self.pos = (start + length + 1).min(self.text.len());
        self.text.get(start..start + length).unwrap_or("")
    }

    fn skip_blank(&mut self) -> usize {
        loop {
            match self.peek(0) {
                Some(b' ' | b'\t' | b'\r') => self.pos += 1,
                Some(b'\\') if self.peek(1) == Some(b'\n') => self.pos += 2,
                _ => return self.pos,
            }
        }
    }

    fn skip_comment(&mut self) {
        let rest = self.bytes.get(self.pos..).unwrap_or(&[]);
        self.pos += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    }

    fn afford(&mut self, bytes: usize) -> bool {
        self.sink.steps += bytes;
        let fits = bytes < self.sink.budget;
        if fits {
            self.sink.budget -= bytes;
        }
        fits
    }

    fn span(&self, range: Range<usize>) -> Range<usize> {
        self.origin.clone().unwrap_or(range)
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.pos + ahead).copied()
    }

    fn char(&self) -> char {
        self.text.get(self.pos..).and_then(|rest| rest.chars().next()).unwrap_or(' ')
    }
}

impl Building {
    fn open(&mut self) {
        self.started = true;
    }

    fn push(&mut self, text: &str) {
        for part in &mut self.parts {
            part.text.push_str(text);
            if let Some(bare) = &mut part.bare {
                bare.push_str(text);
            }
        }
    }

    fn unknown(&mut self, source: &str) {
        self.started = true;
        for part in &mut self.parts {
            if part.bare.is_none() {
                part.bare = Some(part.text.clone());
            }
            part.text.push_str(source);
        }
    }

    /// Pushes a value that the shell splits at blanks.
    fn fields(&mut self, value: &str, pos: usize, origin: &Option<Range<usize>>) {
        if value.starts_with(char::is_whitespace) {
            self.split(pos, origin);
        }
        for (index, field) in value.split_whitespace().enumerate() {
            if index > 0 {
                self.split(pos, origin);
            }
            self.started = true;
            self.push(field);
        }
        if value.ends_with(char::is_whitespace) {
            self.split(pos, origin);
        }
    }

    /// Ends the word here and begins another.
    fn split(&mut self, pos: usize, origin: &Option<Range<usize>>) {
        let parts = std::mem::replace(&mut self.parts, vec![Part::default()]);
        if self.started {
            for part in parts {
                // `/bin/{rm,}` makes an argument of what is left of the name; an empty one is dropped.
                if part.text.is_empty() && !self.quoted {
                    continue;
                }
                self.done.push(Word {
                    text: part.text,
                    bare: part.bare,
                    span: origin.clone().unwrap_or(self.from..pos),
                    quoted: self.quoted,
                });
            }
        }
        self.started = false;
        self.quoted = false;
        self.from = pos;
    }
}

/// What `echo` or `printf` would print, if the command is one of them.
pub(super) fn printed(command: &Command) -> Option<String> {
    let name = command.name();
    let mut args = command.words.get(1..)?.iter().map(|word| word.text.as_str()).peekable();
    match name.as_str() {
        "echo" => {
            while args.peek().is_some_and(|arg| matches!(*arg, "-n" | "-e" | "-E" | "-ne" | "-en")) {
                args.next();
            }
            let joined = args.collect::<Vec<_>>().join(" ");
            Some(if joined.contains('\\') { ansi(&joined) } else { joined })
        }
        "printf" => {
            let format = args.next()?;
            let rest = args.collect::<Vec<_>>();
            if format.contains('%') {
                let mut out = String::new();
                let mut values = rest.iter();
                let mut chars = format.chars();
                while let Some(char) = chars.next() {
                    if char != '%' {
                        out.push(char);
                        continue;
                    }
                    if matches!(chars.next(), Some('s' | 'b' | 'q' | 'd')) {
                        out.push_str(values.next().copied().unwrap_or(""));
                    }
                }
                Some(ansi(&out))
            } else {
                Some(ansi(format))
            }
        }
        _ => None,
    }
}

/// Remembers what `export`, `declare` and the like assign.
fn export(command: &Command, sink: &mut Sink) {
    let Some(name) = command.words.first() else { return };
    if !matches!(name.text.as_str(), "export" | "declare" | "local" | "readonly" | "typeset" | "set") {
        return;
    }
    for word in command.words.iter().skip(1) {
        if let Some((name, value)) = assignment(word) {
            sink.set(name, value);
        }
    }
}

/// The escapes of `$'…'`.
fn ansi(body: &str) -> String {
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.find('\\') {
        out.push_str(rest.get(..at).unwrap_or(""));
        rest = rest.get(at + 1..).unwrap_or("");
        let mut chars = rest.chars();
        let Some(char) = chars.next() else { break };
        let (digits, radix, skip, most) = match char {
            'x' => (rest.get(1..).unwrap_or(""), 16, 1, 2),
            'u' => (rest.get(1..).unwrap_or(""), 16, 1, 4),
            'U' => (rest.get(1..).unwrap_or(""), 16, 1, 8),
            '0'..='7' => (rest, 8, 0, if char == '0' { 4 } else { 3 }),
            _ => {
                out.push(match char {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'e' => '\u{1b}',
                    other => other,
                });
                rest = chars.as_str();
                continue;
            }
        };
        let count = digits.bytes().take(most).take_while(|byte| (*byte as char).is_digit(radix)).count();
        let value = digits.get(..count).and_then(|digits| u32::from_str_radix(digits, radix).ok());
        match value.and_then(char::from_u32) {
            Some(value) => out.push(value),
            None => out.push(char),
        }
        rest = if count == 0 { chars.as_str() } else { rest.get(skip + count..).unwrap_or("") };
    }
    out.push_str(rest);
    out
}

fn assignment(word: &Word) -> Option<(&str, &str)> {
    let (name, value) = word.text.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    let mut bytes = name.bytes();
    let first = bytes.next()?;
    ((first.is_ascii_alphanumeric() || first == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'))
    .then_some((name, value))
}

fn is_keyword(word: &Word) -> bool {
    !word.quoted
        && matches!(
            word.text.as_str(),
            "if" | "then"
                | "else"
                | "elif"
                | "fi"
                | "do"
                | "done"
                | "while"
                | "until"
                | "{"
                | "}"
                | "!"
                | "[["
                | "esac"
        )
}

const fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'|' | b'&' | b'(' | b')' | b'<' | b'>')
}

#[inline]
fn is_plain(byte: u8) -> bool {
    PLAIN.get(usize::from(byte)).is_some_and(|plain| *plain)
}

/// What stands for itself within a word.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
static PLAIN: [bool; 256] = {
    let mut all = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let special = ends_word(byte) || matches!(byte, b'\\' | b'\'' | b'"' | b'$' | b'`' | b'{');
        all[byte as usize] = !byte.is_ascii_control() && !special;
        byte += 1;
    }
    all
};

fn is_invisible(char: char) -> bool {
    matches!(char, '\u{a0}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{3000}' | '\u{2000}'..='\u{200a}')
}

/// Bytes of a variable's value or of a `${…}` that are followed.
const MAX_VALUE: usize = 4096;
const MAX_VARIABLES: usize = 64;
/// Bytes between `{` and `}` of a brace expansion.
const MAX_BRACE: usize = 256;
const MAX_ALTERNATIVES: usize = 16;
