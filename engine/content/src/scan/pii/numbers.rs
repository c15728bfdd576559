//! The table of numbers with their form, layouts, check and words.

use super::checks::*;
use super::context::*;
use super::rules::Name;

/// One way to write one number.
#[derive(Debug)]
pub(super) struct Spec {
    /// The rule that it belongs to.
    pub(super) rule: Name,
    /// One class for each character without separators: `d` digit, `A` letter, `x` either, others themselves.
    pub(super) form: &'static str,
    /// Layouts that suffice without a word; see [`super::ids::Run::is_laid_out`].
    pub(super) alone: &'static [&'static str],
    /// Layouts that need a word of `kinds` nearby.
    pub(super) named: &'static [&'static str],
    /// Check digits, dates, ranges.
    pub(super) check: fn(&[u8]) -> bool,
    /// The words.
    pub(super) kinds: Kinds,
}

macro_rules! specs {
    ($($rule:ident $form:literal [$($alone:literal)*] [$($named:literal)*] $check:ident $kinds:expr;)*) => {
        &[$(Spec { rule: Name::$rule, form: $form, alone: &[$($alone),*], named: &[$($named),*], check: $check, kinds: $kinds }),*]
    };
}

/// All numbers. A layout that is written by hand in groups of its own needs no word if its check
/// holds; plain digits do.
pub(super) const SPECS: &[Spec] = specs! {
    // Passports of all countries: their forms are alike
    Passport "ddddddddd" [] ["9"] plain PASSPORT;
    Passport "Addddddd" [] ["8" "1 7"] plain PASSPORT;
    Passport "Adddddddd" [] ["9" "1~8"] plain PASSPORT;
    Passport "AAdddddd" [] ["8" "2 6"] plain PASSPORT;
    Passport "AAddddddd" [] ["9" "2 7"] plain PASSPORT;
    Passport "AAAdddddd" [] ["9" "3~6"] plain PASSPORT;
    Passport "ddAAddddd" [] ["9"] plain PASSPORT | ID;
    Passport "AdddAdddd" [] ["9"] plain PASSPORT;
    Passport "dddddddddd" [] ["4 6" "2 2 6" "10"] plain PASSPORT;
    Passport "dddddddd" [] ["8"] plain PASSPORT;
    Passport "Axxxxxxxx" [] ["9"] passport PASSPORT | DE;
    Passport "Axxxxxxxxd" [] ["10"] de_document PASSPORT;

    // North America
    UsSsn "ddddddddd" ["3-2-4"] ["9" "3~2~4"] us_ssn SSN | US;
    UsItin "ddddddddd" ["3-2-4"] ["9" "3~2~4"] us_itin TAX | SSN | ID;
    UsDriver "Addddddd" [] ["8" "1~7"] plain DRIVER;
    UsDriver "dddddddd" [] ["8"] plain DRIVER;
    UsDriver "ddddddddd" [] ["9" "3~3~3"] plain DRIVER;
    UsDriver "Adddddddd" [] ["9"] plain DRIVER;
    UsDriver "ddddddd" [] ["7"] plain DRIVER;
    UsDriver "Adddddddddddd" [] ["13" "4~3~2~3~1" "1~3~3~3~3" "4~3~3~3"] plain DRIVER;
    UsDriver "Addddddddddd" [] ["12" "4~4~4"] plain DRIVER;
    UsDriver "Adddddddddddddd" [] ["15" "5~5~5"] plain DRIVER;
    UsDriver "Addddddddd" [] ["10"] plain DRIVER;
    UsDriver "AAdddddd" [] ["8"] plain DRIVER;
    UsDriver "AAddddddA" [] ["9"] plain DRIVER;
    UsMbi "dAxdAxdAAdd" ["4-3-4"] ["11" "4~3~4"] us_mbi HEALTH;
    UsNpi "dddddddddd" [] ["10"] us_npi MEDIC;
    UsDea "AAddddddd" [] ["9"] us_dea MEDIC;
    UsRouting "ddddddddd" [] ["9" "4-4-1"] us_routing ROUTING;
    CaSin "ddddddddd" ["3-3-3"] ["9" "3~3~3"] ca_sin CA | ID | SSN;
    MxCurp "AAAAddddddAAAAAAxd" ["18"] [] mx_curp MX | ID;
    MxRfc "AAAAddddddxxx" [] ["13" "4~6~3"] mx_rfc MX | TAX | ID;

    // South America and the Caribbean
    BrCpf "ddddddddddd" ["3.3.3-2"] ["11" "3~3~3~2" "9-2"] br_cpf BR | ID | TAX;
    BrCnpj "dddddddddddddd" ["2.3.3/4-2"] ["14"] br_cnpj BR | TAX;
    ClRut "ddddddddx" ["2.3.3-1"] ["8-1" "9"] cl_rut CL | ID | TAX;
    ClRut "dddddddx" ["1.3.3-1"] ["7-1" "8"] cl_rut CL | ID | TAX;
    ArCuit "ddddddddddd" ["2-8-1"] ["11" "2~8~1"] ar_cuit AR | TAX | ID;
    ArDni "dddddddd" [] ["8" "2.3.3"] plain AR;
    PeDni "ddddddddx" [] ["9" "8-1"] pe_cui PE | ID;
    EcCedula "dddddddddd" [] ["10" "9-1"] ec_ci EC | ID;
    UyCedula "dddddddd" ["1.3.3-1"] ["8" "7-1"] uy_ci UY | ID;
    CoCedula "dddddddddd" [] ["10" "1.3.3.3"] plain CO;
    CoCedula "dddddddd" [] ["8" "2.3.3"] plain CO;
    VeCedula "Addddddd" [] ["8" "1-7" "1-1.3.3"] plain VE;
    VeCedula "Adddddddd" [] ["9" "1-8" "1-2.3.3"] plain VE;
    DoCedula "ddddddddddd" ["3-7-1"] ["11"] luhn_varied DO | ID;
    CuNi "ddddddddddd" [] ["11"] cu_ni CU;

    // United Kingdom and Ireland
    UkNino "AAddddddA" ["9" "2 2 2 2 1" "2-2-2-2-1"] ["2 6 1" "2 7" "8 1" "2 3 3 1"] uk_nino UK | ID;
    UkNhs "dddddddddd" [] ["10" "3~3~4"] uk_nhs HEALTH | ID;
    UkUtr "dddddddddd" [] ["10" "5 5"] uk_utr TAX | ID;
    UkDriver "AAAAAddddddAAxAA" ["16"] [] uk_driver DRIVER;
    UkDriver "AAAA9ddddddAAxAA" ["16"] [] uk_driver DRIVER;
    UkDriver "AAA99ddddddAAxAA" ["16"] [] uk_driver DRIVER;
    IePps "dddddddAA" [] ["9"] ie_pps IE | ID | TAX | SSN;
    IePps "dddddddA" [] ["8"] ie_pps IE | TAX | SSN | ID;

    // Germany, Austria, Switzerland
    DeTaxId "ddddddddddd" [] ["11" "2 3 3 3" "2 3 3 2 1"] de_idnr DE | TAX | ID;
    DeSocialSecurity "ddddddddAddd" ["12" "2 6 1 3"] [] de_rvnr DE | SSN;
    DeHealthInsurance "Addddddddd" [] ["10"] de_kvnr HEALTH;
    DeIdCard "Axxxxxxxxd" [] ["10"] de_document ID | DE;
    AtInsurance "dddddddddd" [] ["10" "4 6"] at_vnr AT | SSN | HEALTH | ID;
    ChAhv "ddddddddddddd" ["3.4.4.2"] ["13"] ch_ahv CH | SSN | ID;

    // France, Belgium, the Netherlands, Luxembourg
    FrNir "dddddxxdddddddd" ["15" "1 2 2 2 3 3 2" "13 2"] ["1.2.2.2.3.3.2"] fr_nir FR | SSN | ID;
    FrTaxId "ddddddddddddd" [] ["13" "2 2 3 3 3"] fr_spi TAX | ID;
    BeNational "ddddddddddd" ["2.2.2-3.2"] ["11" "2 2 2 3 2" "6 3 2" "6-3-2" "2 2 2 5"] be_nn BE | ID | SSN;
    NlBsn "ddddddddd" [] ["9" "4.2.3" "3 3 3" "4 2 3"] nl_bsn NL | ID;

    // Southern Europe
    EsDni "ddddddddA" ["9" "8-1" "2.3.3-1"] ["8 1"] es_dni ES | ID | TAX;
    EsDni "dddddddA" ["7-1"] ["8"] es_dni ES | ID | TAX;
    EsNie "AdddddddA" ["9" "8-1" "1-7-1"] ["1 7 1" "1-7 1"] es_nie ES | ID | TAX;
    EsCif "Adddddddx" [] ["9" "1-8" "1-7-1" "8-1"] es_cif ES | TAX | ID;
    ItFiscalCode "AAAAAAxxAxxAxxxA" ["16" "3 3 5 5" "6 2 1 2 1 3 1"] [] it_codice IT | TAX | ID;
    ItVat "ddddddddddd" [] ["11"] luhn_varied IT;
    ItIdCard "AAdddddAA" [] ["9"] plain ID;
    ItIdCard "AAddddddd" [] ["9" "2 7"] plain ID;
    ItDriver "AAdddddddA" [] ["10"] plain DRIVER;
    ItDriver "UdAdddddddA" [] ["11"] plain DRIVER;
    PtNif "ddddddddd" [] ["9" "3 3 3"] pt_nif PT | TAX;
    PtCitizenCard "dddddddddAAd" [] ["12" "8 1 2 1" "8 1 3" "9 3"] pt_cc PT | ID;
    GrAmka "ddddddddddd" [] ["11"] gr_amka GR | SSN | ID;
    GrAfm "ddddddddd" [] ["9"] gr_afm GR | TAX;

    // Northern Europe
    SePersonnummer "dddddddddd" ["6-4" "6+4"] ["10" "6 4"] se_short SE | ID;
    SePersonnummer "dddddddddddd" ["8-4" "8+4"] ["12" "8 4"] se_long SE | ID;
    FiHetu "dddddddddx" ["6-4" "6+4"] [] fi_hetu FI | ID;
    FiHetu "ddddddAdddx" ["11"] [] fi_hetu_letter FI | ID;
    NoFodselsnummer "ddddddddddd" ["6-5" "6 5"] ["11"] no_fnr NO | ID;
    DkCpr "dddddddddd" [] ["6-4"] dk_cpr DK | ID;
    DkCpr "dddddddddd" [] ["10" "6 4"] dk_cpr DK;
    IsKennitala "dddddddddd" ["6-4"] ["10"] is_kennitala IS | ID;

    // Central and Eastern Europe
    PlPesel "ddddddddddd" [] ["11"] pl_pesel PL | ID;
    PlNip "dddddddddd" ["3-3-2-2" "3-2-2-3"] ["10"] pl_nip TAX | ID;
    PlIdCard "AAAdddddd" [] ["9" "3 6"] pl_card ID;
    CzBirthNumber "dddddddddd" ["6/4"] ["10"] cz_rc CZ | ID;
    HuTaj "ddddddddd" [] ["9" "3~3~3"] hu_taj HU | HEALTH;
    RoCnp "ddddddddddddd" [] ["13"] ro_cnp RO | ID;
    BgEgn "dddddddddd" [] ["10"] bg_egn BG | ID;
    HrOib "ddddddddddd" [] ["11"] mod11_10 HR | ID;
    Emso "ddddddddddddd" [] ["13"] emso RS | ID;
    BalticCode "ddddddddddd" [] ["11"] baltic BALTIC | ID;
    LvCode "ddddddddddd" ["6-5"] ["11"] lv_pk BALTIC | ID;
    RuSnils "ddddddddddd" ["3-3-3 2"] ["11" "3~3~3~2"] ru_snils RU | ID | SSN;
    RuInn "dddddddddddd" [] ["12"] ru_inn RU | TAX | ID;
    UaTaxId "dddddddddd" [] ["10"] ua_rntrc UA | TAX | ID;
    KzIin "dddddddddddd" [] ["12"] kz_iin KZ | ID;
    TrKimlik "ddddddddddd" [] ["11"] tr_tckn TR | ID;

    // Asia
    InAadhaar "dddddddddddd" ["4-4-4" "4 4 4" "4:4:4"] ["12" "4~4~4"] in_aadhaar IN | ID;
    InPan "AAAAAddddA" ["10"] [] in_pan IN | TAX;
    InPan "AAAAAddddA" [] ["10"] plain IN | TAX;
    InGstin "ddAAAAAddddAxZx" ["15"] [] in_gstin IN | TAX;
    InVoter "AAAddddddd" [] ["10"] plain VOTER | IN;
    PkCnic "ddddddddddddd" ["5-7-1"] ["13"] pk_cnic PK;
    CnResident "dddddddddddddddddx" ["18" "6 8 4"] [] cn_ric CN | ID;
    HkId "Addddddx" [] ["8" "7 1"] hk_id HK | ID;
    TwId "Addddddddd" [] ["10"] tw_id TW | ID;
    JpMyNumber "dddddddddddd" [] ["12" "4~4~4"] jp_mynumber JP | ID;
    KrRrn "ddddddddddddd" ["6-7"] ["13" "6 7"] kr_rrn KR;
    KrBrn "dddddddddd" [] ["3-2-5" "10"] kr_brn KR | TAX;
    KrDriver "dddddddddddd" [] ["2-2-6-2" "2 2 6 2" "12"] plain DRIVER;
    SgNric "AdddddddA" ["9"] [] sg_nric SG | ID;
    SgNric "AdddddddA" [] ["9"] plain SG;
    MyNric "dddddddddddd" ["6-2-4"] ["12"] my_nric MY | ID;
    ThPin "ddddddddddddd" ["1-4-5-2-1"] ["13" "1 4 5 2 1"] th_pin TH | ID | TAX;
    IdNik "dddddddddddddddd" [] ["16"] id_nik INDONESIA | ID;
    VnCccd "dddddddddddd" [] ["12"] plain VN;
    PhId "dddddddddddd" [] ["12" "4-7-1"] plain PH;
    PhId "dddddddddd" [] ["2-7-1"] plain PH | SSN;
    IlId "ddddddddd" [] ["9" "8-1"] luhn_varied IL | ID;
    AeEmiratesId "ddddddddddddddd" ["3-4-7-1"] ["15"] ae_id GULF | ID;
    SaId "dddddddddd" [] ["10"] sa_id GULF;

    // Africa
    ZaId "ddddddddddddd" [] ["13" "6 4 2 1" "6 4 3"] za_id ZA | ID;
    NgNin "ddddddddddd" [] ["11" "4~3~4"] plain NG;
    EgId "dddddddddddddd" [] ["14"] eg_id EG | ID;

    // Oceania
    AuTfn "ddddddddd" [] ["9" "3~3~3"] au_tfn AU | TAX;
    AuAbn "ddddddddddd" ["2 3 3 3"] ["11"] au_abn AU | TAX;
    AuAcn "ddddddddd" [] ["9" "3 3 3"] au_acn AU;
    AuMedicare "dddddddddd" [] ["10" "4~5~1"] au_medicare AU | HEALTH;
    AuMedicare "ddddddddddd" [] ["11" "4 5 1 1" "4 5 1/1"] au_medicare AU | HEALTH;
    NzIrd "ddddddddd" [] ["9" "3-3-3"] nz_ird NZ | TAX;
    NzIrd "dddddddd" [] ["8" "2-3-3"] nz_ird NZ | TAX;
};

/// A German passport or identity card without its check digit: at least three digits and no vowel.
fn passport(id: &[u8]) -> bool {
    let alphabet = b"CFGHJKLMNPRTVWXYZ0123456789";
    id.iter().all(|byte| alphabet.contains(byte)) && id.iter().filter(|byte| byte.is_ascii_digit()).count() >= 3
}
