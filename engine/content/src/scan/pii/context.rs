//! Words that say what a number is: "passport", "Steuer-ID", "cpf", in many languages.
//!
//! One search finds all of them in one pass, and only in texts that hold a number which needs
//! one. A number asks whether a word of its kind stands near it, or in the name of its member.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::sync::LazyLock;

use crate::scan::literals::Literals;

/// A set of kinds of words.
pub(super) type Kinds = u128;

/// The words of one text and of the name of the member that holds it.
#[derive(Debug)]
pub(super) struct Contexts<'t> {
    bytes: &'t [u8],
    name: Option<&'t str>,
    /// The kinds that the name says, once somebody has asked.
    member: OnceCell<Kinds>,
    found: Option<Vec<Word>>,
    /// The windows that were asked for last, and what they hold: many rules ask about one number.
    near: (Range<usize>, Kinds),
    close: (Range<usize>, Kinds),
    /// How many windows were read on their own.
    windows: usize,
}

impl<'t> Contexts<'t> {
    /// Looks at the member's name and at the text when they are first asked for.
    pub(super) fn new(text: &'t str, member: Option<&'t str>) -> Self {
        let name = member.filter(|name| name.len() <= MEMBER);
        Self {
            bytes: text.as_bytes(),
            name,
            member: OnceCell::new(),
            found: None,
            near: (0..0, 0),
            close: (0..0, 0),
            windows: 0,
        }
    }

    /// The kinds that the member's name says.
    pub(super) fn member(&self) -> Kinds {
        *self.member.get_or_init(|| {
            let mut kinds = 0;
            if let Some(name) = self.name {
                words_in(name.as_bytes(), 0..name.len(), |word| kinds |= word.kinds);
            }
            kinds
        })
    }

    /// True if a word of `kinds` stands near `range`, or in the member's name.
    pub(super) fn near(&mut self, range: &Range<usize>, kinds: Kinds) -> bool {
        let window = range.start.saturating_sub(BEFORE)..range.end.saturating_add(AFTER);
        if self.member() & kinds == 0 && self.near.0 != window {
            self.near = (window.clone(), self.within(window));
        }
        (self.member() | self.near.1) & kinds != 0
    }

    /// True if a word of `kinds` stands right before `range` or right behind it, or in the member's name.
    pub(super) fn next_to(&mut self, range: &Range<usize>, kinds: Kinds) -> bool {
        let window = range.start.saturating_sub(CLOSE)..range.end.saturating_add(BEHIND);
        if self.member() & kinds == 0 && self.close.0 != window {
            self.close = (window.clone(), self.within(window));
        }
        (self.member() | self.close.1) & kinds != 0
    }

    /// True if a word of `kinds` stands before `range`, no further than a short phrase, or in the member's name.
    pub(super) fn before(&mut self, range: &Range<usize>, kinds: Kinds) -> bool {
        (self.member() | self.within(range.start.saturating_sub(CLOSE)..range.start)) & kinds != 0
    }

    /// True if a word of `kinds` stands within `window`.
    pub(super) fn label(&mut self, window: Range<usize>, kinds: Kinds) -> bool {
        self.within(window) & kinds != 0
    }

    /// The kinds of the words within `window`.
    fn within(&mut self, window: Range<usize>) -> Kinds {
        let bytes = self.bytes;
        let window = window.start..window.end.min(bytes.len());
        let mut kinds = 0;
        // A few numbers in a long text: their surroundings are read, not all of it.
        if self.found.is_none() && bytes.len() > WHOLE && self.windows < WINDOWS {
            self.windows += 1;
            words_in(bytes, window, |word| kinds |= word.kinds);
            return kinds;
        }
        let found = self.found.get_or_insert_with(|| {
            let mut found = Vec::new();
            words_in(bytes, 0..bytes.len(), |word| found.push(word));
            found
        });
        // At most as many words as fit into the window are looked at.
        let first = found.partition_point(|word| word.start < window.start);
        for word in found.iter().skip(first).take_while(|word| word.end <= window.end) {
            kinds |= word.kinds;
        }
        kinds
    }
}

/// Calls `each` for every context word within `window`, in the order of the text.
fn words_in(bytes: &[u8], window: Range<usize>, mut each: impl FnMut(Word)) {
    for found in WORDS.literals.find(bytes, window) {
        let kinds = WORDS.kinds.get(found.number).copied().unwrap_or(0);
        if starts_word(bytes, found.range.start) && ends_word(bytes, found.range.start, found.range.end) {
            each(Word { start: found.range.start, end: found.range.end, kinds });
        }
    }
}

/// True at the start of a word, also of one in camelCase.
fn starts_word(bytes: &[u8], start: usize) -> bool {
    let first = bytes.get(start).copied().unwrap_or(0);
    match start.checked_sub(1).and_then(|before| bytes.get(before)) {
        Some(before) if before.is_ascii_alphanumeric() => before.is_ascii_lowercase() && first.is_ascii_uppercase(),
        _ => true,
    }
}

/// True at the end of a word. A long word may have an ending: `passports`, `Steuernummern`.
fn ends_word(bytes: &[u8], start: usize, end: usize) -> bool {
    let after = bytes.get(end).copied().unwrap_or(0);
    if !after.is_ascii_alphabetic() || end - start >= LONG {
        return true;
    }
    let last = end.checked_sub(1).and_then(|last| bytes.get(last)).copied().unwrap_or(0);
    (last.is_ascii_lowercase() && after.is_ascii_uppercase())
        || (after | 0x20) == b's' && { !bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric) }
}

#[derive(Clone, Copy, Debug)]
struct Word {
    start: usize,
    end: usize,
    kinds: Kinds,
}

struct Words {
    literals: Literals,
    kinds: Vec<Kinds>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let mut words: BTreeMap<String, Kinds> = BTreeMap::new();
    for (kind, list) in TABLE {
        for word in list.split('|') {
            // "tax id" is also written tax_id, tax-id and taxId.
            let joins: &[&str] = if word.contains(' ') { &[" ", "_", "-", ""] } else { &[" "] };
            for spelling in joins.iter().map(|join| word.replace(' ', join)).flat_map(cases) {
                *words.entry(spelling).or_default() |= *kind;
            }
        }
    }
    let literals = Literals::new(words.keys());
    Words { literals, kinds: words.into_values().collect() }
});

/// The word, and where it has letters beyond ASCII, whose case the search does not fold, in capitals too.
fn cases(word: String) -> Vec<String> {
    if word.is_ascii() {
        return vec![word];
    }
    let first = word.chars().next().map_or(0, char::len_utf8);
    let (head, tail) = word.split_at_checked(first).unwrap_or_default();
    vec![format!("{}{tail}", capitals(head)), capitals(&word), word]
}

fn capitals(word: &str) -> String {
    word.chars().map(capital).collect()
}

/// A letter's capital, by the table of small letters: that of capitals would be another 14 KB of the filter.
fn capital(letter: char) -> char {
    if letter.is_ascii() {
        return letter.to_ascii_uppercase();
    }
    LETTERS.iter().find(|(small, _)| *small == letter).map_or(letter, |(_, capital)| *capital)
}

/// Small letters and their capitals: each is asked for once, as that takes a search.
static LETTERS: LazyLock<Vec<(char, char)>> = LazyLock::new(|| {
    let small = |capital: char| {
        let mut letters = capital.to_lowercase();
        letters.next().filter(|small| *small != capital && letters.next().is_none()).map(|small| (small, capital))
    };
    CAPITALS.filter_map(small).collect()
});

/// Where capitals of the languages of the words are: Latin, Greek, Cyrillic.
const CAPITALS: RangeInclusive<char> = 'À'..='ԯ';

/// How far before a number a word may stand, in bytes.
const BEFORE: usize = 72;

/// How far behind it.
const AFTER: usize = 28;

/// How far before a number a word must stand to be next to it.
const CLOSE: usize = 40;

/// How far behind it.
const BEHIND: usize = 12;

/// In texts up to this length all words are looked for at once.
const WHOLE: usize = 512;

/// So many windows are read on their own before the whole text is.
const WINDOWS: usize = 16;

/// A longer name of a member says nothing.
const MEMBER: usize = 96;

/// From this length on a word may have an ending.
const LONG: usize = 6;

macro_rules! kinds {
    ($($name:ident $words:literal)*) => {
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "the names become constants")]
        enum Ordinal { $($name),* }
        $(pub(super) const $name: Kinds = 1 << (Ordinal::$name as u8);)*
        /// The words of each kind; a blank also stands for `_`, `-` and nothing.
        const TABLE: &[(Kinds, &str)] = &[$(($name, $words)),*];
    };
}

kinds! {
    ID "national id|national identity|national identification|nationalid|identity number|identity card|identity document|identification number|identification document|id number|id no|id card|government id|personal id|personal number|personal code|personal identification|citizen id|citizen number|resident id|resident registration|civil id|nid|national insurance|refugee id|personenkennzahl|personalausweis|ausweisnummer|identitätsnummer|carte d'identité|numéro d'identité|pièce d'identité|numéro national|documento de identidad|número de identificación|numero de identificacion|número de identidad|cédula|cedula|carta d'identità|carta di identità|documento d'identità|documento de identidade|identidade|número de identificação|identiteitsnummer|identiteitskaart|dowód osobisty|numer identyfikacyjny|kimlik|身份证|身分證|證件號碼|证件号|удостоверение личности|идентификационный номер|주민등록|외국인등록|신분증|เลขประจำตัวประชาชน|nomor induk|רישום|תעודת זהות|رقم الهوية|هوية"
    TAX "tax id|tax identification|tax number|tax no|tax file|taxpayer|tin|itin|steuer id|steuerid|steuernummer|steuer nr|steuernr|steueridentifikationsnummer|steuerliche identifikationsnummer|identifikationsnummer|idnr|id nr|numéro fiscal|identifiant fiscal|nif|cif|rfc|rut|cuit|cuil|codice fiscale|partita iva|contribuinte|numero fiscal|número fiscal|vergi|ust id|vat number|vat id|vat no|nip|инн|税号|纳税人|납세|utr|unique taxpayer|ird|npwp"
    SSN "ssn|ssns|social security|social sec|soc sec|sozialversicherung|sozialversicherungsnummer|sécurité sociale|securite sociale|seguridad social|previdenza sociale"
    CARD "credit card|debit card|card number|card no|card num|cardnumber|card|cards|ccn|cc|cc number|pan number|visa|mastercard|amex|american express|discover|diners|jcb|unionpay|maestro|payment card|kreditkarte|kartennummer|kreditkartennummer|karte|carte bancaire|carte de crédit|carte de credit|numéro de carte|tarjeta|tarjeta de crédito|carta di credito|numero carta|cartão|cartão de crédito|creditcard|kaart|karta|numer karty|kreditkort|kortnummer|карта|карты|信用卡|银行卡|卡号|クレジットカード|カード番号|신용카드|kart numarası|kredi kartı"
    PHONE "phone|phones|telephone|tel|tel no|phone number|phone no|mobile|mobile number|mobile no|cellphone|cell phone|cellular|fax|facsimile|landline|contact number|contact no|contact me at|contact us at|hotline|helpline|whatsapp|telegram|viber|sms|callback|voicemail|office phone|home phone|work phone|msisdn|telefon|telefonnummer|handy|handynummer|mobilnummer|mobil|rufnummer|festnetz|rückruf|anrufen|téléphone|telephone|numéro de téléphone|teléfono|telefono|móvil|movil|celular|cellulare|telefone|telemóvel|telefoon|telefoonnummer|mobiel|gsm|telefonu|komórka|puhelin|puhelinnumero|puh|matkapuhelin|mobiltelefon|telefonnr|tlf|tlf nr|cep|cep no|cep telefonu|numaram|телефон|тел|мобильный|звоните|номер телефона|电话|手机|手机号|联系电话|電話|携帯|電話番号|전화|전화번호|휴대폰|연락처|โทรศัพท์|هاتف|جوال|טלפון|नंबर|फ़ोन|मोबाइल"
    CALL "my number|our number|his number|her number|their number|us number|uk number|toll free|meine nummer|mon numéro|mi número|meu número|mio numero|call|call me|call us|called me|calling|reach me|reach us|reach him|reach her|reach them|answering at|dial|dial in|text me|text message|messages to|messages on|message to|message on|text messages|ring me|desk|cell|office|appelez|appeler|joindre|portable|llame|llamar|llámame|chiamare|chiamami|ligar|ligue|bellen|anrufen|звоните|позвоните"
    PASSPORT "passport|passports|passport number|passport no|passport id|travel document|reisepass|reisepassnummer|passnummer|pass nr|passeport|pasaporte|passaporto|passaporte|paspoort|paspoortnummer|paszport|passi|passinumero|pass nummer|паспорт|паспорта|护照|護照|パスポート|旅券|여권|pasaport|หนังสือเดินทาง|جواز|דרכון|पासपोर्ट"
    DRIVER "driver license|driver licence|drivers license|drivers licence|driver's license|driver's licence|driving license|driving licence|driver lic|drivers lic|license number|licence number|license no|dl number|dl no|dvla|dvla no|führerschein|führerscheinnummer|fuehrerschein|permis de conduire|carnet de conducir|licencia de conducir|permiso de conducir|patente|patente di guida|numero patente|carteira de motorista|cnh|carta de condução|rijbewijs|rijbewijsnummer|prawo jazdy|körkort|ajokortti|førerkort|водительское|驾驶证|驾照|運転免許|운전면허|ehliyet"
    BIRTH "date of birth|birth date|birthdate|birth day|birthday|dateofbirth|dob|d.o.b|d.o.b.|born|born on|born in|geburtsdatum|geboren am|geboren|geb.|geb|geburtstag|date de naissance|né le|née le|né(e) le|fecha de nacimiento|nacido el|nacida el|nacimiento|data di nascita|nato il|nata il|data de nascimento|nascido em|nascida em|nascimento|geboortedatum|geboren op|data urodzenia|urodzony|urodzona|födelsedatum|född|fødselsdato|født|syntymäaika|syntynyt|datum narození|doğum tarihi|дата рождения|родился|родилась|出生日期|出生|生日|生年月日|誕生日|생년월일|วันเกิด|تاريخ الميلاد|תאריך לידה|जन्म"
    BANK "iban|ibans|bank account|account number|account no|acct|bankverbindung|kontonummer|compte bancaire|cuenta bancaria|conto corrente|conta bancária|rekeningnummer|konto|банковский счет|银行账户|계좌"
    BIC_WORDS "bic|swift|bic code|swift code|swift bic|bic swift|swiftcode"
    ROUTING "routing number|routing no|routing|aba|aba number|rtn"
    WALLET "wallet|wallets|wallet address|crypto|cryptocurrency|bitcoin|btc|ethereum|eth|eth address|ether|usdt|usdc|erc20|erc 20|deposit address|send to|payout address|donate|donation|blockchain|metamask|litecoin|dogecoin|tron|ripple|xrp|monero|xmr|solana"
    HEALTH "health insurance|health card|health number|medicare|medicaid|medical record|patient|patient id|nhs|nhs number|nhs no|insurance number|krankenversicherung|krankenversichertennummer|versichertennummer|krankenkasse|kvnr|assurance maladie|carte vitale|tessera sanitaria|tarjeta sanitaria|mbi|medicare beneficiary|beneficiary|amka|αμκα|taj"
    MEDIC "npi|national provider|dea|dea number|dea no|medical license|medical licence|prescriber|lanr|bsnr"
    US "us ssn"
    UK "nino|ni number|ni no|national insurance number|nat ins|insurance no"
    DE "rvnr|rentenversicherungsnummer|rentenversicherung|versicherungsnummer|sv nummer|sozialversicherungsausweis|personalausweisnummer|ausweis nr|ausweis"
    FR "nir|insee|numéro de sécu|numero de secu|sécu|siren|siret"
    ES "dni|nie|documento nacional|número de identidad de extranjero"
    IT "codice fiscale|cod. fisc.|cod fiscale|c.f.|partita iva|p.iva"
    NL "bsn|burgerservicenummer|sofinummer|sofi nummer"
    BE "rijksregisternummer|rijksregister|registre national|numéro de registre national|niss|insz"
    PL "pesel|nr pesel|numer pesel|regon"
    SE "personnummer|pnr|person nummer|samordningsnummer|organisationsnummer|orgnr"
    FI "hetu|henkilötunnus|henkilotunnus|personbeteckning"
    NO "fødselsnummer|fodselsnummer|fnr|personnr|d nummer"
    DK "cpr|cpr nummer|cpr nr|personnummer"
    IS "kennitala"
    IE "pps|ppsn|pps number|pps no|personal public service"
    CZ "rodné číslo|rodne cislo|rodné čislo|rč|birth number"
    HU "személyi|adóazonosító|taj szám"
    RO "cnp|cod numeric personal"
    BG "egn|егн|единен граждански номер"
    HR "oib|osobni identifikacijski broj"
    RS "emso|emšo|jmbg|matični broj|maticni broj"
    BALTIC "isikukood|asmens kodas|personas kods"
    GR "amka|αμκα|afm|αφμ"
    PT "nif|número de identificação fiscal|cartão de cidadão|cartao de cidadao|bi número"
    AT "sozialversicherungsnummer|svnr|sv nr|vnr"
    CH "ahv|avs|ahv nummer|ahvn13|numéro avs"
    TR "tckn|tc kimlik|tc no|t.c. kimlik|kimlik no|kimlik numarası|vergi no|vkn"
    IL "teudat zehut|mispar zehut|zehut|israeli id"
    ZA "rsa id|sa id|south african id|za id"
    IN "pan number|aadhaar|aadhar|adhaar|uidai|आधार|pan|pan card|pan no|permanent account|voter id|epic|gstin|gst"
    PK "cnic|nicop"
    AU "tfn|tax file number|abn|business number|acn|medicare|medicare no|medicare card"
    NZ "ird|ird number|nzbn"
    CA "sin|social insurance|social insurance number|numéro d'assurance sociale|assurance sociale"
    SG "nric|fin number|foreign identification|singpass"
    HK "hkid|hong kong id|香港身份證|香港身份证"
    TW "統一編號|身分證字號|taiwan id"
    JP "my number|mynumber|マイナンバー|個人番号"
    BR "cpf|cnpj|cadastro de pessoa|rg|cnh|pis|título de eleitor"
    KR "rrn|frn|resident registration number|alien registration|주민등록번호|외국인등록번호|사업자등록번호|brn"
    CN "居民身份证|身份证号|身份证号码|resident identity"
    TH "thai national|thai id|thai"
    MY "mykad|nric|ic number|ic no|kad pengenalan"
    INDONESIA "nik|ktp|nomor ktp"
    VN "cccd|cmnd|căn cước|chứng minh"
    PH "philsys|umid|sss number|philhealth|crn"
    NG "nin|bvn|nigerian|national identification number|bank verification"
    MX "curp|rfc|clave única|ine|clave de elector|nss|imss"
    CL "rut|rol único"
    AR "cuit|cuil|dni"
    CO "cédula de ciudadanía|cedula de ciudadania|cédula"
    PE "dni|cui dni"
    EC "cédula|cedula"
    UY "cédula|cedula"
    VE "cédula|rif|c.i."
    DO "cédula|cedula"
    CU "carné de identidad|carnet de identidad"
    RU "снилс|инн|snils|inn|серия и номер|паспорт"
    UA "рнокпп|іпн|rntrc|rnokpp"
    KZ "иин|жсн|iin"
    EG "egyptian|الرقم القومي"
    GULF "emirates id|iqama|saudi id|civil id|الهوية الإماراتية"
    PERSON "national id|national identity|national identification|nationalid|identity card|identity document|identification document|personal identification|citizen id|citizen number|carte d'identité|documento de identidad|carta d'identità|documento de identidade|personalausweis|身份证"
    VOTER "voter id|voter|elector|voter's id"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(text: &str, kinds: Kinds) -> bool {
        let at = text.find('#').unwrap();
        Contexts::new(text, None).near(&(at..at + 1), kinds)
    }

    #[test]
    fn capitals_are_those_of_unicode() {
        for letter in (' '..='~').chain(CAPITALS).filter(|letter| letter.to_uppercase().count() == 1) {
            let upper: String = letter.to_uppercase().collect();
            let known = letter.is_ascii() || upper.chars().all(|upper| CAPITALS.contains(&upper));
            let simple = upper.to_lowercase().chars().eq([letter]);
            assert!(!known || !simple || capitals(&letter.to_string()) == upper, "{letter} {upper}");
        }
        assert_eq!(capitals("né le"), "NÉ LE");
        assert_eq!(capitals("паспорт"), "ПАСПОРТ");
    }

    #[test]
    fn finds_words_in_any_spelling() {
        for text in [
            "My passport: #",
            "passportNumber: #",
            "PASSPORT_NO=#",
            "Reisepassnummer #",
            "# is my passport",
            "护照号码#",
        ] {
            assert!(near(text, PASSPORT), "{text}");
        }
        assert!(near("\"national_id\": \"#\"", ID));
        assert!(near("nationalId #", ID));
    }

    #[test]
    fn does_not_find_parts_of_words() {
        assert!(!near("since #", CA));
        assert!(!near("panic #", IN));
        assert!(!near(&format!("passport {} #", "x".repeat(100)), PASSPORT));
    }

    #[test]
    fn the_members_name_counts() {
        let mut contexts = Contexts::new("123", Some("customerPhone"));
        assert!(contexts.near(&(0..3), PHONE));
        assert!(!contexts.near(&(0..3), PASSPORT));
    }
}
