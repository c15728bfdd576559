//! The rules: what each finds, where it is described, and what it does and does not match.

use crate::scan::Severity;
use crate::scan::detect::RuleInfo;

/// Rules that are off unless the configuration turns them on: what they find is in every log.
pub const DEFAULT_OFF: &[&str] = &["ip-address", "mac-address"];

/// What to do about matches that are none, by family.
const NUMBER: &str = "Disable the rule if the number is public or made up, or except the member that holds it.";
const CARD: &str = "Except the member that holds the number, or let the server send the last four digits only.";
const CONTACT: &str = "Except the tool whose answers are meant to name people, or set the action to log.";
const MONEY: &str = "Except the tool that deals with payments, or set the action to log.";
const NETWORK: &str = "Leave the rule off where addresses of machines are no personal data.";

/// OWASP LLM02:2025 Sensitive Information Disclosure, and AML.T0057 LLM Data Leakage of MITRE ATLAS.
const TAGS: &[&str] = &["OWASP-LLM02", "AML.T0057"];

macro_rules! rules {
    ($($name:ident $id:literal $severity:ident $description:literal $source:literal $remedy:ident
        [$($hit:literal),*] [$($miss:literal),*];)*) => {
        /// A rule, in the order of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Name { $($name),* }

        /// All rules, in the order of [`Name`].
        pub(super) const RULES: &[RuleInfo] = &[$(RuleInfo {
            id: $id,
            severity: Severity::$severity,
            description: $description,
            remedy: $remedy,
            source: $source,
            tags: TAGS,
            hits: &[$($hit),*],
            misses: &[$($miss),*],
        }),*];
    };
}

rules! {
    CreditCard "credit-card" High "A payment card: range of the issuer, length, Luhn." "ISO/IEC 7812-1" CARD
        ["4532015112830366", "5425 2334 3010 9903", "3782-822463-10005", "Karte: 4222222222222", "card 6759649826438453"]
        ["4532015112830367", "1234567812345678", "order 6759649826438453", "0.4532015112830366", "1618088028295"];
    Iban "iban" Medium "An international bank account number: length of the country, mod 97." "ISO 13616-1; SWIFT IBAN registry" MONEY
        ["DE75512108001245126199", "GB33 BUKB 2020 1555 5555 55", "es79-2100-0813-6101-2345-6789", "IBAN:NO9386011117947."]
        ["DE75512108001245126198", "GB33 BUKB 2020 1555 5555 5", "DE7551210800124512619912", "ZZ75512108001245126199"];
    Email "email" Medium "An address of electronic mail." "RFC 5321, RFC 6531" CONTACT
        ["mail lena.kraus@firma.example.org now", "<bo+list@mail.io>", "mailto:ines@correo.es"]
        ["git@github.com:a/b.git", "lodash@4.17.21", "ssh://me@host.example.com", "noreply@mail.com", "@decorator.call"];
    Phone "phone" Medium "A telephone number: international, by its national form, or next to a word." "ITU-T E.164; ITU-T E.129 numbering plans" CONTACT
        ["+49 30 901820", "+81 3-1234-5678", "(212) 555-0187", "call 20 7946 0958", "01 42 68 53 00", "Handy: 01701234567", "0044 20 7946 0958"]
        ["+0000", "2024-05-19 13:00:00", "1234567", "+999 123 456 789", "version 10.20.30.40", "12/05/2024 10:30", "id 4155550187"];
    DateOfBirth "date-of-birth" Medium "A date of birth: a date right behind a word that says so." "GDPR Art. 4(1)" CONTACT
        ["born on 3 May 1961", "DOB: 1961-05-03", "geboren am 3.5.1961", "né le 03/05/1961", "date of birth: May 3, 1961", "出生日期：1961年5月3日"]
        ["due on 3 May 2031", "released 1961-05-03", "date of birth", "DOB: 1961-15-33", "birthday party on the 3rd"];
    Bic "bic" Low "A bank identifier code next to a word that says so." "ISO 9362" MONEY
        ["BIC: DEUTDEFF", "SWIFT code MARKDEF1100"]
        ["DEUTDEFF", "BIC: PASSWORD", "a SWIFT response to ABCDZZ12"];
    CryptoWallet "crypto-wallet" Medium "An address of a crypto wallet with its checksum." "BIP 13, BIP 173, BIP 350, EIP-55" MONEY
        ["1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "eth wallet 0x52908400098527886e0f7030069857d2e4169ee7"]
        ["1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "0x52908400098527886e0f7030069857d2e4169ee7"];
    NationalId "national-id" Medium "An identity number without a check that is known here, in a member that is named so." "GDPR Art. 87" NUMBER
        []
        ["national id 4711", "the national id card", "4400123456"];
    PassportZone "passport-mrz" High "The machine-readable zone of a passport or visa, with its check digits." "ICAO Doc 9303-4" NUMBER
        ["L898902C36UTO7408122F1204159ZE184226B<<<<<10"]
        ["L898902C37UTO7408122F1204159ZE184226B<<<<<10", "<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<"];
    IpAddress "ip-address" Low "An IPv4 or IPv6 address. Off by default." "RFC 791, RFC 4291" NETWORK
        ["from 203.0.113.7", "2001:db8::17"]
        ["127.0.0.1", "255.255.255.0", "1.2.3"];
    MacAddress "mac-address" Low "A hardware address. Off by default." "IEEE 802-2014" NETWORK
        ["00:1b:44:11:3a:b7", "00-1B-44-11-3A-B7"]
        ["12:30:45", "00:1b:44:11:3a"];
    Passport "passport" High "The number of a passport, of any country, next to a word that says so." "ICAO Doc 9303-3" NUMBER
        ["passport: 491635760", "passport: I85034312", "passport: GP2710554", "passport: L152L4876", "passport: C01X00T47"]
        ["order 491635760", "passport: 000000000", "the passport of a person"];
    UsSsn "us-ssn" High "A US social security number." "https://www.ssa.gov/employer/randomization.html" NUMBER
        ["SSN: 822-39-7248", "SSN: 822397248", "822-39-7248"]
        ["order 822397248", "SSN: 00000000000", "the SSN of a person"];
    UsItin "us-itin" High "A US individual taxpayer identification number." "https://www.irs.gov/individuals/individual-taxpayer-identification-number" NUMBER
        ["ITIN: 939-91-4570", "ITIN: 939914570", "939-91-4570"]
        ["order 939914570", "ITIN: 00000000000", "the ITIN of a person"];
    UsDriver "us-driver-license" Medium "The number of a US driver's license, in the forms of the states." "https://ntsi.com/drivers-license-format/" NUMBER
        ["driver's license: Q1235434", "driver's license: 30442195", "driver's license: 880607991"]
        ["order Q1235434", "driver's license: 00000000", "the driver's license of a person"];
    UsMbi "us-medicare-beneficiary" High "A US Medicare beneficiary identifier." "https://www.cms.gov/medicare/new-medicare-card/understanding-new-medicare-beneficiary-identifier" NUMBER
        ["MBI: 6U76-T07-JR83", "MBI: 6U76T07JR83", "6U76-T07-JR83"]
        ["order 6U76T07JR83", "MBI: 0000000000000", "the MBI of a person"];
    UsNpi "us-npi" Low "A US national provider identifier." "https://www.cms.gov/regulations-and-guidance/administrative-simplification/nationalprovidentstand" NUMBER
        ["NPI: 1788273815"]
        ["order 1788273815", "NPI: 0000000000", "the NPI of a person"];
    UsDea "us-dea-number" Medium "A US registration number for controlled substances." "https://www.deadiversion.usdoj.gov" NUMBER
        ["DEA number: RI3461403"]
        ["order RI3461403", "DEA number: 000000000", "the DEA number of a person"];
    UsRouting "us-routing-number" Low "A US bank routing number." "https://www.aba.com/about-us/routing-number" NUMBER
        ["routing number: 241364521"]
        ["order 241364521", "routing number: 000000000", "the routing number of a person"];
    CaSin "ca-sin" High "A Canadian social insurance number." "https://www.canada.ca/en/employment-social-development/services/sin.html" NUMBER
        ["SIN: 923-205-439", "SIN: 923205439", "923-205-439"]
        ["order 923205439", "SIN: 00000000000", "the SIN of a person"];
    MxCurp "mx-curp" High "A Mexican population registry code (CURP)." "https://www.gob.mx/curp" NUMBER
        ["CURP: BZNC771218XFUTEI70", "BZNC771218XFUTEI70"]
        ["CURP: 000000000000000000", "the CURP of a person"];
    MxRfc "mx-rfc" Medium "A Mexican tax number (RFC) of a person." "https://www.sat.gob.mx" NUMBER
        ["RFC: PGYD690918096"]
        ["order PGYD690918096", "RFC: 0000000000000", "the RFC of a person"];
    BrCpf "br-cpf" High "A Brazilian taxpayer number (CPF)." "https://www.gov.br/receitafederal" NUMBER
        ["CPF: 009.462.961-70", "CPF: 00946296170", "009.462.961-70"]
        ["order 00946296170", "CPF: 00000000000000", "the CPF of a person"];
    BrCnpj "br-cnpj" Low "A Brazilian company number (CNPJ)." "https://www.gov.br/receitafederal" NUMBER
        ["CNPJ: 23.280.062/1760-52", "CNPJ: 23280062176052", "23.280.062/1760-52"]
        ["order 23280062176052", "CNPJ: 000000000000000000", "the CNPJ of a person"];
    ClRut "cl-rut" High "A Chilean RUT or RUN." "https://www.registrocivil.cl" NUMBER
        ["RUT: 05.118.282-0", "RUT: 05118282-0", "RUT: 6.516.286-5", "05.118.282-0"]
        ["order 05118282-0", "RUT: 000000000000", "the RUT of a person"];
    ArCuit "ar-cuit" High "An Argentinian CUIT or CUIL." "https://www.afip.gob.ar" NUMBER
        ["CUIT: 27-49970961-2", "CUIT: 27499709612", "27-49970961-2"]
        ["order 27499709612", "CUIT: 0000000000000", "the CUIT of a person"];
    ArDni "ar-dni" High "An Argentinian identity document." "https://www.argentina.gob.ar/interior/renaper" NUMBER
        ["DNI: 11040542"]
        ["order 11040542", "DNI: 00000000", "the DNI of a person"];
    PeDni "pe-dni" High "A Peruvian identity document with its check digit." "https://www.gob.pe/reniec" NUMBER
        ["DNI: 144092789"]
        ["order 144092789", "DNI: 000000000", "the DNI of a person"];
    EcCedula "ec-cedula" High "An Ecuadorian cédula." "https://www.registrocivil.gob.ec" NUMBER
        ["cédula: 0736205097"]
        ["order 0736205097", "cédula: 0000000000", "the cédula of a person"];
    UyCedula "uy-cedula" High "An Uruguayan cédula." "https://www.gub.uy" NUMBER
        ["cédula: 5.561.447-6", "cédula: 55614476", "5.561.447-6"]
        ["order 55614476", "cédula: 00000000000", "the cédula of a person"];
    CoCedula "co-cedula" High "A Colombian cédula." "https://www.registraduria.gov.co" NUMBER
        ["cédula de ciudadanía: 6589883328", "cédula de ciudadanía: 71565061"]
        ["order 6589883328", "cédula de ciudadanía: 0000000000", "the cédula de ciudadanía of a person"];
    VeCedula "ve-cedula" High "A Venezuelan cédula." "http://www.saime.gob.ve" NUMBER
        ["cédula: T1025594", "cédula: V86156660"]
        ["order T1025594", "cédula: 00000000", "the cédula of a person"];
    DoCedula "do-cedula" High "A Dominican cédula." "https://jce.gob.do" NUMBER
        ["cédula: 819-5103342-2", "cédula: 81951033422", "819-5103342-2"]
        ["order 81951033422", "cédula: 0000000000000", "the cédula of a person"];
    CuNi "cu-identity" High "A Cuban identity number." "https://www.minint.gob.cu" NUMBER
        ["carné de identidad: 41061468551"]
        ["order 41061468551", "carné de identidad: 00000000000", "the carné de identidad of a person"];
    UkNino "uk-nino" High "A UK National Insurance number." "https://www.gov.uk/hmrc-internal-manuals/national-insurance-manual/nim39110" NUMBER
        ["National Insurance: JN791559C", "National Insurance: JN 791559 C", "JN791559C"]
        ["order JN 791559 C", "National Insurance: 000000000", "the National Insurance of a person"];
    UkNhs "uk-nhs" High "A UK NHS number." "https://www.datadictionary.nhs.uk/attributes/nhs_number.html" NUMBER
        ["NHS number: 0785337962"]
        ["order 0785337962", "NHS number: 0000000000", "the NHS number of a person"];
    UkUtr "uk-utr" Medium "A UK unique taxpayer reference." "https://www.gov.uk/find-utr-number" NUMBER
        ["UTR: 4539674369"]
        ["order 4539674369", "UTR: 0000000000", "the UTR of a person"];
    UkDriver "uk-driving-licence" High "The number of a UK driving licence." "https://www.gov.uk/view-driving-licence" NUMBER
        ["driving licence: SEMCF053146JS6MX", "driving licence: BLQQ9752175KO5PA", "SEMCF053146JS6MX"]
        ["SEMCF033146JS6MX", "driving licence: 0000000000000000", "the driving licence of a person"];
    IePps "ie-pps" High "An Irish personal public service number." "https://www.gov.ie/en/service/12e6de-get-a-personal-public-service-pps-number/" NUMBER
        ["PPSN: 2960671RG", "PPSN: 3500836T"]
        ["order 2960671RG", "PPSN: 000000000", "the PPSN of a person"];
    DeTaxId "de-tax-id" High "A German tax identification number." "https://www.bzst.de/DE/Privatpersonen/SteuerlicheIdentifikationsnummer/steuerlicheidentifikationsnummer_node.html" NUMBER
        ["Steuer-ID: 18906275433"]
        ["order 18906275433", "Steuer-ID: 00000000000", "the Steuer-ID of a person"];
    DeSocialSecurity "de-social-security" High "A German pension insurance number." "https://www.deutsche-rentenversicherung.de" NUMBER
        ["Rentenversicherungsnummer: 79640219A548", "79640219A548"]
        ["Rentenversicherungsnummer: 000000000000", "the Rentenversicherungsnummer of a person"];
    DeHealthInsurance "de-health-insurance" High "A German health insurance number." "https://www.gkv-spitzenverband.de" NUMBER
        ["Krankenversichertennummer: E489174832"]
        ["order E489174832", "Krankenversichertennummer: 0000000000", "the Krankenversichertennummer of a person"];
    DeIdCard "de-id-card" High "The number of a German identity card." "https://www.personalausweisportal.de" NUMBER
        ["Personalausweis: P521584561"]
        ["order P521584561", "Personalausweis: 0000000000", "the Personalausweis of a person"];
    AtInsurance "at-insurance" High "An Austrian social insurance number." "https://www.sozialversicherung.at" NUMBER
        ["SVNR: 9674300115"]
        ["order 9674300115", "SVNR: 0000000000", "the SVNR of a person"];
    ChAhv "ch-ahv" High "A Swiss AHV number." "https://www.zas.admin.ch" NUMBER
        ["AHV-Nummer: 756.6031.9484.50", "AHV-Nummer: 7566031948450", "756.6031.9484.50"]
        ["order 7566031948450", "AHV-Nummer: 0000000000000000", "the AHV-Nummer of a person"];
    FrNir "fr-nir" High "A French social security number (NIR)." "https://www.insee.fr/fr/metadonnees/definition/c1409" NUMBER
        ["NIR: 638795470166406", "NIR: 6.38.79.54.701.664.06", "638795470166406"]
        ["order 6.38.79.54.701.664.06", "NIR: 000000000000000", "the NIR of a person"];
    FrTaxId "fr-tax-id" High "A French tax number (SPI)." "https://www.impots.gouv.fr" NUMBER
        ["numéro fiscal: 2711788110024"]
        ["order 2711788110024", "numéro fiscal: 0000000000000", "the numéro fiscal of a person"];
    BeNational "be-national" High "A Belgian national number." "https://www.ibz.rrn.fgov.be" NUMBER
        ["rijksregisternummer: 91.51.18-156.20", "rijksregisternummer: 91511815620", "91.51.18-156.20"]
        ["order 91511815620", "rijksregisternummer: 000000000000000", "the rijksregisternummer of a person"];
    NlBsn "nl-bsn" High "A Dutch citizen service number (BSN)." "https://www.rvig.nl/bsn" NUMBER
        ["BSN: 389912104"]
        ["order 389912104", "BSN: 000000000", "the BSN of a person"];
    EsDni "es-dni" High "A Spanish identity document (DNI)." "https://www.interior.gob.es" NUMBER
        ["DNI: 45509307N", "DNI: 45509307 N", "DNI: 5570656-X", "45509307N"]
        ["order 45509307 N", "DNI: 000000000", "the DNI of a person"];
    EsNie "es-nie" High "A Spanish identity number of a foreigner (NIE)." "https://www.interior.gob.es" NUMBER
        ["NIE: Y4314170M", "NIE: Y 4314170 M", "Y4314170M"]
        ["order Y 4314170 M", "NIE: 000000000", "the NIE of a person"];
    EsCif "es-cif" Low "A Spanish tax number of an organisation." "https://sede.agenciatributaria.gob.es" NUMBER
        ["CIF: G81740524"]
        ["order G81740524", "CIF: 000000000", "the CIF of a person"];
    ItFiscalCode "it-fiscal-code" High "An Italian codice fiscale." "https://www.agenziaentrate.gov.it" NUMBER
        ["codice fiscale: ZSZTBK04E48N763R", "ZSZTBK04E48N763R"]
        ["codice fiscale: 0000000000000000", "the codice fiscale of a person"];
    ItVat "it-vat" Low "An Italian partita IVA." "https://www.agenziaentrate.gov.it" NUMBER
        ["partita IVA: 11723424385"]
        ["order 11723424385", "partita IVA: 00000000000", "the partita IVA of a person"];
    ItIdCard "it-id-card" High "The number of an Italian identity card." "https://www.cartaidentita.interno.gov.it" NUMBER
        ["carta d'identità: PH53883FU", "carta d'identità: LL3210691"]
        ["order PH53883FU", "carta d'identità: 000000000", "the carta d'identità of a person"];
    ItDriver "it-driving-licence" High "The number of an Italian driving licence." "https://www.ilportaledellautomobilista.it" NUMBER
        ["patente di guida: IR3852371B", "patente di guida: U8D5951538O"]
        ["order IR3852371B", "patente di guida: 0000000000", "the patente di guida of a person"];
    PtNif "pt-nif" High "A Portuguese tax number (NIF)." "https://www.portaldasfinancas.gov.pt" NUMBER
        ["NIF: 762012757"]
        ["order 762012757", "NIF: 000000000", "the NIF of a person"];
    PtCitizenCard "pt-citizen-card" High "The number of a Portuguese citizen card." "https://www.autenticacao.gov.pt" NUMBER
        ["cartão de cidadão: 688729075AS7"]
        ["order 688729075AS7", "cartão de cidadão: 000000000000", "the cartão de cidadão of a person"];
    GrAmka "gr-amka" High "A Greek social security number (AMKA)." "https://www.amka.gr" NUMBER
        ["AMKA: 17013061571"]
        ["order 17013061571", "AMKA: 00000000000", "the AMKA of a person"];
    GrAfm "gr-afm" High "A Greek tax number (AFM)." "https://www.aade.gr" NUMBER
        ["AFM: 673389877"]
        ["order 673389877", "AFM: 000000000", "the AFM of a person"];
    SePersonnummer "se-personnummer" High "A Swedish personal or coordination number." "https://www.skatteverket.se" NUMBER
        ["personnummer: 200275-8122", "personnummer: 2002758122", "personnummer: 18741019-8779", "200275-8122"]
        ["order 2002758122", "personnummer: 00000000000", "the personnummer of a person"];
    FiHetu "fi-hetu" High "A Finnish personal identity code." "https://dvv.fi/en/personal-identity-code" NUMBER
        ["henkilötunnus: 280338-3087", "henkilötunnus: 171250E0228", "280338-3087"]
        ["henkilötunnus: 00000000000", "the henkilötunnus of a person"];
    NoFodselsnummer "no-fodselsnummer" High "A Norwegian national identity number." "https://www.skatteetaten.no" NUMBER
        ["fødselsnummer: 990528-82067", "fødselsnummer: 99052882067", "990528-82067"]
        ["order 99052882067", "fødselsnummer: 000000000000", "the fødselsnummer of a person"];
    DkCpr "dk-cpr" High "A Danish CPR number." "https://cpr.dk" NUMBER
        ["CPR: 2509749360"]
        ["order 2509749360", "CPR: 0000000000", "the CPR of a person"];
    IsKennitala "is-kennitala" High "An Icelandic kennitala." "https://www.skra.is" NUMBER
        ["kennitala: 570754-6538", "kennitala: 5707546538", "570754-6538"]
        ["order 5707546538", "kennitala: 00000000000", "the kennitala of a person"];
    PlPesel "pl-pesel" High "A Polish PESEL." "https://www.gov.pl/web/gov/czym-jest-numer-pesel" NUMBER
        ["PESEL: 61242641738"]
        ["order 61242641738", "PESEL: 00000000000", "the PESEL of a person"];
    PlNip "pl-nip" Medium "A Polish tax number (NIP)." "https://www.podatki.gov.pl" NUMBER
        ["NIP: 463-777-65-46", "NIP: 4637776546", "463-777-65-46"]
        ["order 4637776546", "NIP: 0000000000000", "the NIP of a person"];
    PlIdCard "pl-id-card" High "The number of a Polish identity card." "https://www.gov.pl" NUMBER
        ["dowód osobisty: PDR249312"]
        ["order PDR249312", "dowód osobisty: 000000000", "the dowód osobisty of a person"];
    CzBirthNumber "cz-birth-number" High "A Czech or Slovak birth number." "https://www.mvcr.cz" NUMBER
        ["rodné číslo: 625101/1701", "rodné číslo: 6251011701", "625101/1701"]
        ["order 6251011701", "rodné číslo: 00000000000", "the rodné číslo of a person"];
    HuTaj "hu-taj" High "A Hungarian social security number (TAJ)." "https://www.neak.gov.hu" NUMBER
        ["TAJ: 364428429"]
        ["order 364428429", "TAJ: 000000000", "the TAJ of a person"];
    RoCnp "ro-cnp" High "A Romanian personal code (CNP)." "https://depabd.mai.gov.ro" NUMBER
        ["CNP: 7900906122475"]
        ["order 7900906122475", "CNP: 0000000000000", "the CNP of a person"];
    BgEgn "bg-egn" High "A Bulgarian civil number (EGN)." "https://www.grao.bg" NUMBER
        ["EGN: 1612071621"]
        ["order 1612071621", "EGN: 0000000000", "the EGN of a person"];
    HrOib "hr-oib" High "A Croatian personal number (OIB)." "https://www.porezna-uprava.hr" NUMBER
        ["OIB: 11914936418"]
        ["order 11914936418", "OIB: 00000000000", "the OIB of a person"];
    Emso "emso" High "A number of a successor state of Yugoslavia (EMŠO, JMBG)." "https://www.gov.si" NUMBER
        ["EMŠO: 0205226494295"]
        ["order 0205226494295", "EMŠO: 0000000000000", "the EMŠO of a person"];
    BalticCode "baltic-personal-code" High "An Estonian or Lithuanian personal code." "https://www.siseministeerium.ee" NUMBER
        ["isikukood: 18912041366"]
        ["order 18912041366", "isikukood: 00000000000", "the isikukood of a person"];
    LvCode "lv-personal-code" High "A Latvian personal code." "https://www.pmlp.gov.lv" NUMBER
        ["personas kods: 080596-08050", "personas kods: 08059608050", "080596-08050"]
        ["order 08059608050", "personas kods: 000000000000", "the personas kods of a person"];
    RuSnils "ru-snils" High "A Russian insurance number (SNILS)." "https://sfr.gov.ru" NUMBER
        ["СНИЛС: 400-325-908 18", "СНИЛС: 40032590818", "400-325-908 18"]
        ["order 40032590818", "СНИЛС: 00000000000000", "the СНИЛС of a person"];
    RuInn "ru-inn" High "A Russian tax number (INN) of a person." "https://www.nalog.gov.ru" NUMBER
        ["ИНН: 890016719470"]
        ["order 890016719470", "ИНН: 000000000000", "the ИНН of a person"];
    UaTaxId "ua-tax-id" High "A Ukrainian tax number." "https://tax.gov.ua" NUMBER
        ["РНОКПП: 8079737500"]
        ["order 8079737500", "РНОКПП: 0000000000", "the РНОКПП of a person"];
    KzIin "kz-iin" High "A Kazakh individual number (IIN)." "https://egov.kz" NUMBER
        ["ИИН: 991119178206"]
        ["order 991119178206", "ИИН: 000000000000", "the ИИН of a person"];
    TrKimlik "tr-kimlik" High "A Turkish identity number." "https://www.nvi.gov.tr" NUMBER
        ["TC Kimlik: 67625454076"]
        ["order 67625454076", "TC Kimlik: 00000000000", "the TC Kimlik of a person"];
    InAadhaar "in-aadhaar" High "An Indian Aadhaar number." "https://uidai.gov.in" NUMBER
        ["Aadhaar: 5870-3353-0639", "Aadhaar: 587033530639", "5870-3353-0639"]
        ["order 587033530639", "Aadhaar: 00000000000000", "the Aadhaar of a person"];
    InPan "in-pan" High "An Indian permanent account number." "https://www.incometax.gov.in" NUMBER
        ["PAN card: JJHBF3643T", "PAN card: BSFJL2550U", "JJHBF3643T"]
        ["order BSFNL2550U", "PAN card: 0000000000", "the PAN card of a person"];
    InGstin "in-gstin" Low "An Indian goods and services tax number." "https://www.gst.gov.in" NUMBER
        ["GSTIN: 22JYVKW2033Z7Z0", "22JYVKW2033Z7Z0"]
        ["GSTIN: 000000000000000", "the GSTIN of a person"];
    InVoter "in-voter" High "The number of an Indian voter card." "https://www.eci.gov.in" NUMBER
        ["voter ID: SZX3010251"]
        ["order SZX3010251", "voter ID: 0000000000", "the voter ID of a person"];
    PkCnic "pk-cnic" High "The number of a Pakistani identity card." "https://www.nadra.gov.pk" NUMBER
        ["CNIC: 62219-8023621-4", "CNIC: 6221980236214", "62219-8023621-4"]
        ["order 6221980236214", "CNIC: 000000000000000", "the CNIC of a person"];
    CnResident "cn-resident-id" High "The number of a Chinese resident identity card." "GB 11643-1999" NUMBER
        ["身份证号: 417170205910226807", "417170205910226807"]
        ["身份证号: 000000000000000000", "the 身份证号 of a person"];
    HkId "hk-id" High "The number of a Hong Kong identity card." "https://www.immd.gov.hk" NUMBER
        ["HKID: F7262848"]
        ["order F7262848", "HKID: 00000000", "the HKID of a person"];
    TwId "tw-id" High "A Taiwanese identity number." "https://www.ris.gov.tw" NUMBER
        ["身分證字號: H244596705"]
        ["order H244596705", "身分證字號: 0000000000", "the 身分證字號 of a person"];
    JpMyNumber "jp-my-number" High "A Japanese individual number." "https://www.digital.go.jp/policies/mynumber" NUMBER
        ["マイナンバー: 286770545464"]
        ["order 286770545464", "マイナンバー: 000000000000", "the マイナンバー of a person"];
    KrRrn "kr-rrn" High "A Korean resident or foreigner registration number." "https://www.mois.go.kr" NUMBER
        ["RRN: 101210-9979811", "RRN: 1012109979811", "101210-9979811"]
        ["order 1012109979811", "RRN: 00000000000000", "the RRN of a person"];
    KrBrn "kr-brn" Low "A Korean business registration number." "https://www.hometax.go.kr" NUMBER
        ["사업자등록번호: 763-09-12987"]
        ["order 763-09-12987", "사업자등록번호: 000000000000", "the 사업자등록번호 of a person"];
    KrDriver "kr-driving-licence" High "The number of a Korean driving licence." "https://www.safedriving.or.kr" NUMBER
        ["운전면허: 87-51-916478-40"]
        ["order 87-51-916478-40", "운전면허: 000000000000000", "the 운전면허 of a person"];
    SgNric "sg-nric" High "A Singaporean NRIC or FIN." "https://www.ica.gov.sg" NUMBER
        ["NRIC: S2571280C", "NRIC: D0277396C", "S2571280C"]
        ["order D0277396C", "NRIC: 000000000", "the NRIC of a person"];
    MyNric "my-nric" High "The number of a Malaysian identity card." "https://www.jpn.gov.my" NUMBER
        ["MyKad: 121112-04-2691", "MyKad: 121112042691", "121112-04-2691"]
        ["order 121112042691", "MyKad: 00000000000000", "the MyKad of a person"];
    ThPin "th-pin" High "A Thai identity number." "https://www.bora.dopa.go.th" NUMBER
        ["Thai national ID: 4-8223-45651-78-0", "Thai national ID: 4822345651780", "4-8223-45651-78-0"]
        ["order 4822345651780", "Thai national ID: 00000000000000000", "the Thai national ID of a person"];
    IdNik "id-nik" High "An Indonesian identity number (NIK)." "https://dukcapil.kemendagri.go.id" NUMBER
        ["NIK: 7397756806596396"]
        ["order 7397756806596396", "NIK: 0000000000000000", "the NIK of a person"];
    VnCccd "vn-cccd" High "The number of a Vietnamese identity card." "https://dichvucong.gov.vn" NUMBER
        ["CCCD: 852655662104"]
        ["order 852655662104", "CCCD: 000000000000", "the CCCD of a person"];
    PhId "ph-id" High "A Philippine common reference or SSS number." "https://philsys.gov.ph" NUMBER
        ["UMID: 700431242038", "UMID: 88-5404354-2"]
        ["order 700431242038", "UMID: 000000000000", "the UMID of a person"];
    IlId "il-id" High "An Israeli identity number." "https://www.gov.il" NUMBER
        ["teudat zehut: 151240900"]
        ["order 151240900", "teudat zehut: 000000000", "the teudat zehut of a person"];
    AeEmiratesId "ae-emirates-id" High "An Emirates identity number." "https://icp.gov.ae" NUMBER
        ["Emirates ID: 784-4849-7354370-3", "Emirates ID: 784484973543703", "784-4849-7354370-3"]
        ["order 784484973543703", "Emirates ID: 000000000000000000", "the Emirates ID of a person"];
    SaId "sa-id" High "A Saudi identity or residence number." "https://www.absher.sa" NUMBER
        ["iqama: 1114095191"]
        ["order 1114095191", "iqama: 0000000000", "the iqama of a person"];
    ZaId "za-id" High "A South African identity number." "https://www.dha.gov.za" NUMBER
        ["SA ID: 9604187474259"]
        ["order 9604187474259", "SA ID: 0000000000000", "the SA ID of a person"];
    NgNin "ng-nin" High "A Nigerian identity or bank verification number." "https://nimc.gov.ng" NUMBER
        ["NIN: 11118417510"]
        ["order 11118417510", "NIN: 00000000000", "the NIN of a person"];
    EgId "eg-id" High "An Egyptian national number." "https://moi.gov.eg" NUMBER
        ["national ID: 38802032703595"]
        ["order 38802032703595", "national ID: 00000000000000", "the national ID of a person"];
    AuTfn "au-tfn" High "An Australian tax file number." "https://www.ato.gov.au" NUMBER
        ["TFN: 212002416"]
        ["order 212002416", "TFN: 000000000", "the TFN of a person"];
    AuAbn "au-abn" Low "An Australian business number." "https://abr.business.gov.au" NUMBER
        ["ABN: 65 072 013 453", "ABN: 65072013453", "65 072 013 453"]
        ["order 65072013453", "ABN: 00000000000000", "the ABN of a person"];
    AuAcn "au-acn" Low "An Australian company number." "https://asic.gov.au" NUMBER
        ["ACN: 429164689"]
        ["order 429164689", "ACN: 000000000", "the ACN of a person"];
    AuMedicare "au-medicare" High "The number of an Australian Medicare card." "https://www.servicesaustralia.gov.au/medicare" NUMBER
        ["Medicare: 2197413361", "Medicare: 31700076820"]
        ["order 2197413361", "Medicare: 0000000000", "the Medicare of a person"];
    NzIrd "nz-ird" High "A New Zealand tax number." "https://www.ird.govt.nz" NUMBER
        ["IRD number: 083870214", "IRD number: 96189389"]
        ["order 083870214", "IRD number: 000000000", "the IRD number of a person"];
}
