//! Check digits and dates of the numbers that states, banks and schools of medicine give out.
//!
//! Every function takes the characters of a number without separators, letters in upper case. The
//! form of the number (which of them are digits) was checked before.

/// The digit at `at`; 0 where there is none.
pub(super) fn digit(number: &[u8], at: usize) -> u32 {
    number.get(at).map_or(0, |byte| u32::from(byte.wrapping_sub(b'0') & 15))
}

/// The `count` digits from `at` on as a number.
pub(super) fn number(digits: &[u8], at: usize, count: usize) -> u32 {
    (at..at + count).fold(0, |sum, at| sum * 10 + digit(digits, at))
}

/// The sum of the digits times `weights`, from the first on.
pub(super) fn weighted(number: &[u8], weights: &[u32]) -> u32 {
    weights.iter().enumerate().map(|(at, weight)| weight * digit(number, at)).sum()
}

/// The sum of the values of the characters times `weights`, `A` being 10.
fn weighted_mixed(number: &[u8], weights: &[u32]) -> u32 {
    weights.iter().zip(number).map(|(weight, byte)| weight * value36(*byte)).sum()
}

/// The value of a character in base 36.
pub(super) fn value36(byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'Z' => u32::from(byte - b'A') + 10,
        _ => 0,
    }
}

/// ISO/IEC 7812-1 annex B: the Luhn formula over all digits.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte.wrapping_sub(b'0') & 15);
            if at % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO 7064 mod 97-10 over digits and letters: the remainder.
pub(super) fn mod97(characters: impl Iterator<Item = u8>) -> u32 {
    characters.fold(0, |rest, byte| {
        let value = value36(byte);
        (if value > 9 { rest * 100 + value } else { rest * 10 + value }) % 97
    })
}

/// ISO 7064 mod 11,10.
pub(super) fn mod11_10(digits: &[u8]) -> bool {
    let mut check = 5;
    for at in 0..digits.len() {
        check = ((if check == 0 { 10 } else { check }) * 2 % 11 + digit(digits, at)) % 10;
    }
    check == 1
}

/// Verhoeff's check over the dihedral group of order ten.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    // The group multiplication: rotations are 0 to 4, reflections 5 to 9.
    let multiply = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b) % 5 + 5,
        (false, true) => (a + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let mut check = 0;
    for (at, byte) in digits.iter().rev().enumerate() {
        let mut value = u32::from(byte.wrapping_sub(b'0') & 15);
        for _ in 0..at % 8 {
            value = PERMUTATION.get(value as usize).copied().unwrap_or(0);
        }
        check = multiply(check, value);
    }
    check == 0
}

/// True for a day of the calendar; the year only decides about the 29th of February.
pub(super) fn is_date(year: u32, month: u32, day: u32) -> bool {
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) => 29,
        2 => 28,
        _ => 0,
    };
    (1..=last).contains(&day)
}

/// True if the six digits from `at` on are year, month and day.
pub(super) fn yymmdd(digits: &[u8], at: usize) -> bool {
    is_date(number(digits, at, 2), number(digits, at + 2, 2), number(digits, at + 4, 2))
}

/// True if the six digits from `at` on are day, month and year.
pub(super) fn ddmmyy(digits: &[u8], at: usize) -> bool {
    is_date(number(digits, at + 4, 2), number(digits, at + 2, 2), number(digits, at, 2))
}

/// True if the eight digits from `at` on are a year of the last or this century, month and day.
pub(super) fn yyyymmdd(digits: &[u8], at: usize) -> bool {
    let year = number(digits, at, 4);
    (1880..2100).contains(&year) && is_date(year, number(digits, at + 4, 2), number(digits, at + 6, 2))
}

/// True if all characters are the same.
pub(super) fn uniform(number: &[u8]) -> bool {
    number.windows(2).all(|pair| matches!(pair, [a, b] if a == b))
}

// === Europe ===

/// The letter that a number modulo 23 stands for in Spain.
fn spanish_letter(number: u32) -> u8 {
    b"TRWAGMYFPDXBNJZSQVHLCKE".get((number % 23) as usize).copied().unwrap_or(0)
}

/// Spain, DNI: seven or eight digits and a letter.
pub(super) fn es_dni(id: &[u8]) -> bool {
    id.split_last().is_some_and(|(letter, digits)| spanish_letter(number(digits, 0, digits.len())) == *letter)
}

/// Spain, NIE: X, Y or Z, seven digits, a letter.
pub(super) fn es_nie(id: &[u8]) -> bool {
    let series = match id.first() {
        Some(b'X') => 0,
        Some(b'Y') => 1,
        Some(b'Z') => 2,
        _ => return false,
    };
    id.get(8).is_some_and(|letter| spanish_letter(series * 10_000_000 + number(id, 1, 7)) == *letter)
}

/// Spain, NIF of organisations (CIF) and of K, L, M: a letter, seven digits, a digit or letter.
pub(super) fn es_cif(id: &[u8]) -> bool {
    let (Some(first), Some(last)) = (id.first(), id.get(8)) else { return false };
    if b"KLM".contains(first) {
        return spanish_letter(number(id, 1, 7)) == *last;
    }
    let sum: u32 = (1..8)
        .map(|at| {
            let value = digit(id, at);
            if at % 2 == 1 { value * 2 / 10 + value * 2 % 10 } else { value }
        })
        .sum();
    let check = (10 - sum % 10) % 10;
    let letter = b"JABCDEFGHI".get(check as usize).copied().unwrap_or(0);
    b"ABCDEFGHJNPQRSUVW".contains(first) && (value36(*last) == check || *last == letter)
}

/// United Kingdom, National Insurance number: prefixes that are given out.
pub(super) fn uk_nino(id: &[u8]) -> bool {
    let [first, second, ..] = id else { return false };
    !b"DFIQUV".contains(first)
        && !b"DFIOQUV".contains(second)
        && ![*b"BG", *b"GB", *b"NK", *b"KN", *b"TN", *b"NT", *b"ZZ"].contains(&[*first, *second])
        && id.last().is_some_and(|last| (b'A'..=b'D').contains(last))
        && !uniform(id.get(2..8).unwrap_or_default())
}

/// United Kingdom, NHS number: weights 10 to 2, modulo 11.
pub(super) fn uk_nhs(id: &[u8]) -> bool {
    weighted(id, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11) && !uniform(id)
}

/// United Kingdom, unique taxpayer reference: the first digit is the check.
pub(super) fn uk_utr(id: &[u8]) -> bool {
    let sum = weighted(id, &[0, 6, 7, 8, 9, 10, 5, 4, 3, 2]);
    b"21987654321".get((sum % 11) as usize).copied() == id.first().copied()
}

/// United Kingdom, driving licence: five of the surname, birth date in its shuffled order, initials.
pub(super) fn uk_driver(id: &[u8]) -> bool {
    let month = number(id, 6, 2);
    let day = number(id, 8, 2);
    ((1..=12).contains(&month) || (51..=62).contains(&month)) && (1..=31).contains(&day)
}

/// Germany, tax identification number: one digit is repeated, mod 11,10.
pub(super) fn de_idnr(id: &[u8]) -> bool {
    let mut counts = [0_u8; 10];
    for at in 0..10 {
        if let Some(count) = counts.get_mut(digit(id, at) as usize) {
            *count += 1;
        }
    }
    let repeated = counts.iter().filter(|count| **count > 1).count();
    // Numbers of before 2016 repeat one digit twice, later ones up to three times; test numbers begin with 0.
    repeated <= 2 && counts.iter().all(|count| *count <= 3) && mod11_10(id)
}

/// Germany, pension insurance number: area, birth date, initial, serial, check.
pub(super) fn de_rvnr(id: &[u8]) -> bool {
    let day = number(id, 2, 2);
    let initial = id.get(8).map_or(0, |letter| value36(*letter).saturating_sub(9));
    let digits = [
        digit(id, 0),
        digit(id, 1),
        digit(id, 2),
        digit(id, 3),
        digit(id, 4),
        digit(id, 5),
        digit(id, 6),
        digit(id, 7),
        initial / 10,
        initial % 10,
        digit(id, 9),
        digit(id, 10),
    ];
    let sum: u32 = digits
        .iter()
        .zip([2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1])
        .map(|(digit, weight)| {
            let product = digit * weight;
            product / 10 + product % 10
        })
        .sum();
    (1..=12).contains(&number(id, 4, 2))
        && ((1..=31).contains(&day) || (51..=81).contains(&day))
        && sum % 10 == digit(id, 11)
}

/// Germany, health insurance number: a letter, eight digits, a check digit.
pub(super) fn de_kvnr(id: &[u8]) -> bool {
    let letter = id.first().map_or(0, |letter| value36(*letter).saturating_sub(9));
    let mut sum = 0;
    let digits = [letter / 10, letter % 10].into_iter().chain((1..9).map(|at| digit(id, at)));
    for (at, value) in digits.enumerate() {
        let product = value * if at % 2 == 0 { 1 } else { 2 };
        sum += product / 10 + product % 10;
    }
    sum % 10 == digit(id, 9)
}

/// ICAO 9303: weights 7, 3, 1 over digits and letters; the last character is the check.
pub(super) fn icao(id: &[u8]) -> bool {
    id.split_last().is_some_and(|(check, body)| {
        let sum: u32 = body.iter().zip([7, 3, 1].iter().cycle()).map(|(byte, weight)| value36(*byte) * weight).sum();
        check.is_ascii_digit() && sum % 10 == value36(*check)
    })
}

/// Germany, identity card or passport: a letter of its alphabet first, at least one digit, check digit.
pub(super) fn de_document(id: &[u8]) -> bool {
    let alphabet = b"CFGHJKLMNPRTVWXYZ0123456789";
    id.iter().all(|byte| alphabet.contains(byte))
        && id.iter().filter(|byte| byte.is_ascii_digit()).count() >= 3
        && icao(id)
}

/// France, social security number (NIR): sex, year, month, department, commune, order, key.
pub(super) fn fr_nir(id: &[u8]) -> bool {
    let month = number(id, 3, 2);
    // Corsica counts as 19 and 18.
    let (from, to): (&[u8], &[u8]) = match id.get(5..7) {
        Some(b"2A") => (b"2A", b"19"),
        Some(b"2B") => (b"2B", b"18"),
        Some([a, b]) if a.is_ascii_digit() && b.is_ascii_digit() => (b"", b""),
        _ => return false,
    };
    let body = id.iter().take(13).enumerate().map(|(at, byte)| match at {
        5 | 6 if !from.is_empty() => to.get(at - 5).copied().unwrap_or(*byte),
        _ => *byte,
    });
    let rest = body.fold(0_u64, |rest, byte| (rest * 10 + u64::from(value36(byte))) % 97);
    (matches!(month, 1..=12 | 20 | 30..=42 | 50..=99)) && 97 - rest == u64::from(number(id, 13, 2))
}

/// France, tax number: the first ten digits modulo 511 are the last three.
pub(super) fn fr_spi(id: &[u8]) -> bool {
    let body = (0..10).fold(0_u64, |sum, at| sum * 10 + u64::from(digit(id, at)));
    digit(id, 0) < 4 && !uniform(id) && body % 511 == u64::from(number(id, 10, 3))
}

/// Italy, codice fiscale, with the letters that stand for digits where two people would share one.
pub(super) fn it_codice(id: &[u8]) -> bool {
    const ODD: &[u8; 36] = &[
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16,
        10, 22, 25, 24, 23,
    ];
    let digit_like = |at: usize| id.get(at).is_some_and(|byte| byte.is_ascii_digit() || b"LMNPQRSTUV".contains(byte));
    let letter = |at: usize| id.get(at).is_some_and(u8::is_ascii_uppercase);
    if !([6, 7, 9, 10, 12, 13, 14].into_iter().all(digit_like)
        && (0..6).all(letter)
        && letter(8)
        && letter(11)
        && letter(15))
    {
        return false;
    }
    let sum: u32 = id
        .iter()
        .take(15)
        .enumerate()
        .map(|(at, byte)| {
            let value = value36(*byte);
            match at % 2 {
                0 => ODD.get(value as usize).map_or(0, |odd| u32::from(*odd)),
                _ if value >= 10 => value - 10,
                _ => value,
            }
        })
        .sum();
    id.get(8).is_some_and(|month| b"ABCDEHLMPRST".contains(month))
        && id.get(15).is_some_and(|check| value36(*check) == sum % 26 + 10)
}

/// The Netherlands, BSN: the eleven test.
pub(super) fn nl_bsn(id: &[u8]) -> bool {
    let sum = weighted(id, &[9, 8, 7, 6, 5, 4, 3, 2]) + 11 - digit(id, 8);
    sum.is_multiple_of(11) && !uniform(id)
}

/// Belgium, national number: birth date or bis number, the rest modulo 97.
pub(super) fn be_nn(id: &[u8]) -> bool {
    let body = u64::from(number(id, 0, 9));
    let check = u64::from(number(id, 9, 2));
    let month = number(id, 2, 2) % 20;
    month <= 12 && number(id, 4, 2) <= 31 && (97 - body % 97 == check || 97 - (body + 2_000_000_000) % 97 == check)
}

/// Poland, PESEL: birth date with the century in the month, weights 1, 3, 7, 9.
pub(super) fn pl_pesel(id: &[u8]) -> bool {
    let month = number(id, 2, 2);
    is_date(number(id, 0, 2), month % 20, number(id, 4, 2))
        && weighted(id, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
}

/// Poland, NIP: weights modulo 11.
pub(super) fn pl_nip(id: &[u8]) -> bool {
    weighted(id, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == digit(id, 9) && !uniform(id)
}

/// Poland, identity card: three letters, six digits, the first digit is the check.
pub(super) fn pl_card(id: &[u8]) -> bool {
    weighted_mixed(id, &[7, 3, 1, 9, 7, 3, 1, 7, 3]).is_multiple_of(10)
}

/// Sweden, personal or coordination number of ten digits: birth date and Luhn.
pub(super) fn se_short(id: &[u8]) -> bool {
    let day = number(id, 4, 2);
    is_date(number(id, 0, 2), number(id, 2, 2), if day > 60 { day - 60 } else { day }) && luhn(id)
}

/// Sweden, the same with the century: twelve digits.
pub(super) fn se_long(id: &[u8]) -> bool {
    (18..=20).contains(&number(id, 0, 2)) && id.get(2..).is_some_and(se_short)
}

/// Finland: birth date, three digits, a check character modulo 31.
pub(super) fn fi_hetu(id: &[u8]) -> bool {
    let body = number(id, 0, 6) * 1000 + number(id, 6, 3);
    ddmmyy(id, 0) && b"0123456789ABCDEFHJKLMNPRSTUVWXY".get((body % 31) as usize).copied() == id.get(9).copied()
}

/// Finland, with a letter for the century.
pub(super) fn fi_hetu_letter(id: &[u8]) -> bool {
    let mut short = [0; 10];
    for (to, from) in short.iter_mut().zip(id.iter().take(6).chain(id.iter().skip(7))) {
        *to = *from;
    }
    id.get(6).is_some_and(|sign| b"ABCDEFYXWVU".contains(sign)) && fi_hetu(&short)
}

/// Norway: birth date (D and H numbers add 40), two check digits modulo 11.
pub(super) fn no_fnr(id: &[u8]) -> bool {
    let day = number(id, 0, 2);
    let month = number(id, 2, 2);
    is_date(number(id, 4, 2), month % 40, day % 40)
        && weighted(id, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
        && weighted(id, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

/// Denmark, CPR: birth date; the check digit is no longer kept to.
pub(super) fn dk_cpr(id: &[u8]) -> bool {
    ddmmyy(id, 0)
}

/// Iceland: birth date, check modulo 11, century.
pub(super) fn is_kennitala(id: &[u8]) -> bool {
    let day = number(id, 0, 2);
    is_date(number(id, 4, 2), number(id, 2, 2), if day > 40 { day - 40 } else { day })
        && weighted(id, &[3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
        && matches!(digit(id, 9), 0 | 8 | 9)
}

/// Ireland, PPS: weights 8 to 2, a second letter counts nine times, letter modulo 23.
pub(super) fn ie_pps(id: &[u8]) -> bool {
    let second = match id.get(8) {
        None | Some(b'W') => 0,
        Some(letter) if (b'A'..=b'I').contains(letter) || *letter == b'T' => {
            if *letter == b'T' {
                0
            } else {
                (value36(*letter) - 9) * 9
            }
        }
        Some(_) => return false,
    };
    let check = (weighted(id, &[8, 7, 6, 5, 4, 3, 2]) + second) % 23;
    id.get(7).is_some_and(|letter| b"WABCDEFGHIJKLMNOPQRSTUV".get(check as usize) == Some(letter))
}

/// Czechia and Slovakia: birth date (women add 50 to the month), the whole divisible by 11.
pub(super) fn cz_rc(id: &[u8]) -> bool {
    let month = number(id, 2, 2) % 50;
    let month = if month > 20 { month - 20 } else { month };
    let rest = (0..10).fold(0_u64, |sum, at| sum * 10 + u64::from(digit(id, at)));
    is_date(number(id, 0, 2), month, number(id, 4, 2))
        && (rest % 11 == 0 || (rest / 10 % 11 == 10 && digit(id, 9) == 0))
}

/// Romania, CNP: sex and century, birth date, county, check.
pub(super) fn ro_cnp(id: &[u8]) -> bool {
    let sum = weighted(id, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    (1..=52).contains(&number(id, 7, 2))
        && digit(id, 0) != 0
        && yymmdd(id, 1)
        && digit(id, 12) == if sum == 10 { 1 } else { sum }
}

/// Bulgaria, EGN: birth date with the century in the month, check modulo 11.
pub(super) fn bg_egn(id: &[u8]) -> bool {
    let month = number(id, 2, 2) % 20;
    is_date(number(id, 0, 2), month, number(id, 4, 2))
        && weighted(id, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10 == digit(id, 9)
}

/// The successor states of Yugoslavia, EMŠO and JMBG: birth date, region, check modulo 11.
pub(super) fn emso(id: &[u8]) -> bool {
    let sum = weighted(id, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    let check = if sum == 0 { 0 } else { 11 - sum };
    is_date(number(id, 4, 3), number(id, 2, 2), number(id, 0, 2)) && check == digit(id, 12)
}

/// Estonia and Lithuania: sex and century, birth date, two rounds of weights modulo 11.
pub(super) fn baltic(id: &[u8]) -> bool {
    let mut check = weighted(id, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    if check == 10 {
        check = weighted(id, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10;
    }
    (1..=8).contains(&digit(id, 0)) && yymmdd(id, 1) && check == digit(id, 10)
}

/// Latvia: birth date and check modulo 11, or 32 and no meaning.
pub(super) fn lv_pk(id: &[u8]) -> bool {
    let check = (1101 - weighted(id, &[1, 6, 3, 7, 9, 10, 5, 8, 4, 2])) % 11 % 10;
    number(id, 0, 2) == 32 || (ddmmyy(id, 0) && check == digit(id, 10))
}

/// Greece, AMKA: birth date and Luhn.
pub(super) fn gr_amka(id: &[u8]) -> bool {
    ddmmyy(id, 0) && luhn(id)
}

/// Greece, AFM: powers of two modulo 11.
pub(super) fn gr_afm(id: &[u8]) -> bool {
    weighted(id, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10 == digit(id, 8) && !uniform(id)
}

/// Portugal, NIF: weights 9 to 2 modulo 11.
pub(super) fn pt_nif(id: &[u8]) -> bool {
    let check = (11 - weighted(id, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11 % 10;
    digit(id, 0) != 0 && digit(id, 0) != 4 && check == digit(id, 8) && !uniform(id)
}

/// Portugal, citizen card: Luhn over digits and letters.
pub(super) fn pt_cc(id: &[u8]) -> bool {
    let sum: u32 = id
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            let value = value36(*byte);
            if at % 2 == 1 {
                value
            } else if value * 2 > 9 {
                value * 2 - 9
            } else {
                value * 2
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Austria, insurance number: serial, check, birth date.
pub(super) fn at_vnr(id: &[u8]) -> bool {
    let sum = weighted(id, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
    digit(id, 0) != 0 && ddmmyy(id, 4) && sum % 11 == digit(id, 3)
}

/// Switzerland, AHV number: 756 and the check of EAN-13.
pub(super) fn ch_ahv(id: &[u8]) -> bool {
    id.starts_with(b"756") && weighted(id, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
}

/// Hungary, TAJ: weights 3 and 7.
pub(super) fn hu_taj(id: &[u8]) -> bool {
    weighted(id, &[3, 7, 3, 7, 3, 7, 3, 7]) % 10 == digit(id, 8) && !uniform(id)
}

/// Turkey: two check digits.
pub(super) fn tr_tckn(id: &[u8]) -> bool {
    let odd: u32 = [0, 2, 4, 6, 8].into_iter().map(|at| digit(id, at)).sum();
    let even: u32 = [1, 3, 5, 7].into_iter().map(|at| digit(id, at)).sum();
    let first = (odd * 7 + 80 - even) % 10;
    digit(id, 0) != 0 && first == digit(id, 9) && (odd + even + first) % 10 == digit(id, 10)
}

/// Russia, SNILS: weights 9 to 1 modulo 101.
pub(super) fn ru_snils(id: &[u8]) -> bool {
    weighted(id, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100 == number(id, 9, 2) && !uniform(id)
}

/// Russia, tax number of a person: two check digits.
pub(super) fn ru_inn(id: &[u8]) -> bool {
    weighted(id, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10 == digit(id, 10)
        && weighted(id, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10 == digit(id, 11)
        && !uniform(id)
}

/// Ukraine, tax number: weights modulo 11.
pub(super) fn ua_rntrc(id: &[u8]) -> bool {
    // The first weight is -1, which modulo 11 is 10.
    weighted(id, &[10, 5, 7, 9, 4, 6, 10, 5, 7]) % 11 % 10 == digit(id, 9) && !uniform(id)
}

/// Kazakhstan, IIN: birth date, two rounds of weights.
pub(super) fn kz_iin(id: &[u8]) -> bool {
    let mut check = weighted(id, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) % 11;
    if check == 10 {
        check = weighted(id, &[3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]) % 11;
    }
    yymmdd(id, 0) && check == digit(id, 11)
}

// === The Americas ===

/// United States, social security number: areas that are given out, no advertised number.
pub(super) fn us_ssn(id: &[u8]) -> bool {
    let area = number(id, 0, 3);
    area != 0
        && area != 666
        && area < 900
        && number(id, 3, 2) != 0
        && number(id, 5, 4) != 0
        && id != b"078051120"
        && id != b"219099999"
        && !uniform(id)
}

/// United States, taxpayer number of those without a social security number.
pub(super) fn us_itin(id: &[u8]) -> bool {
    digit(id, 0) == 9 && matches!(number(id, 3, 2), 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// United States, Medicare beneficiary: no letters that look like digits.
pub(super) fn us_mbi(id: &[u8]) -> bool {
    digit(id, 0) != 0 && !id.iter().any(|byte| b"SLOIBZ".contains(byte))
}

/// United States, health care provider: Luhn with the prefix 80840.
pub(super) fn us_npi(id: &[u8]) -> bool {
    let mut long = *b"808400000000000";
    for (to, from) in long.iter_mut().skip(5).zip(id) {
        *to = *from;
    }
    matches!(digit(id, 0), 1 | 2) && luhn(&long)
}

/// United States, registration to handle controlled substances.
pub(super) fn us_dea(id: &[u8]) -> bool {
    let tail = id.get(2..).unwrap_or_default();
    weighted(tail, &[1, 2, 1, 2, 1, 2]) % 10 == digit(tail, 6)
        && id.first().is_some_and(|first| b"ABCDEFGHJKLMPRSTUX".contains(first))
}

/// United States, bank routing number.
pub(super) fn us_routing(id: &[u8]) -> bool {
    matches!(number(id, 0, 2), 1..=12 | 21..=32 | 61..=72 | 80)
        && weighted(id, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
}

/// Canada, social insurance number: Luhn, never beginning with 0 or 8.
pub(super) fn ca_sin(id: &[u8]) -> bool {
    !matches!(digit(id, 0), 0 | 8) && luhn(id) && !uniform(id)
}

/// Mexico, CURP: birth date, sex, state, consonants, check.
pub(super) fn mx_curp(id: &[u8]) -> bool {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ";
    let sum: usize = id
        .iter()
        .take(17)
        .enumerate()
        .map(|(at, byte)| ALPHABET.iter().position(|letter| letter == byte).unwrap_or(0) * (18 - at))
        .sum();
    yymmdd(id, 4)
        && id.get(10).is_some_and(|sex| b"HMX".contains(sex))
        && id.get(11..16).is_some_and(|letters| letters.iter().all(u8::is_ascii_uppercase))
        && (10 - sum % 10) % 10 == digit(id, 17) as usize
}

/// Mexico, RFC of a person: four letters, birth date, three characters.
pub(super) fn mx_rfc(id: &[u8]) -> bool {
    yymmdd(id, 4)
}

/// Brazil, CPF: two check digits modulo 11.
pub(super) fn br_cpf(id: &[u8]) -> bool {
    let first = weighted(id, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10 % 11 % 10;
    let second = weighted(id, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10 % 11 % 10;
    first == digit(id, 9) && second == digit(id, 10) && !uniform(id)
}

/// Brazil, CNPJ: two check digits modulo 11.
pub(super) fn br_cnpj(id: &[u8]) -> bool {
    let check = |sum: u32| if sum % 11 < 2 { 0 } else { 11 - sum % 11 };
    check(weighted(id, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])) == digit(id, 12)
        && check(weighted(id, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])) == digit(id, 13)
        && !uniform(id)
}

/// Chile, RUT: digits weighted from the right, check 0 to 9 or K.
pub(super) fn cl_rut(id: &[u8]) -> bool {
    let Some((check, body)) = id.split_last() else { return false };
    let sum: u32 =
        body.iter().rev().zip([2, 3, 4, 5, 6, 7].iter().cycle()).map(|(byte, weight)| value36(*byte) * weight).sum();
    let wanted = b"0K987654321".get((sum % 11) as usize).copied();
    Some(*check) == wanted
}

/// Argentina, CUIT and CUIL: kind of person, document number, check modulo 11.
pub(super) fn ar_cuit(id: &[u8]) -> bool {
    let check = (11 - weighted(id, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    matches!(number(id, 0, 2), 20 | 23..=27 | 30 | 33 | 34) && (check == 10 || check == digit(id, 10))
}

/// Uruguay, cédula: weights modulo 10.
pub(super) fn uy_ci(id: &[u8]) -> bool {
    weighted(id, &[2, 9, 8, 7, 6, 3, 4]).wrapping_neg() % 10 == digit(id, 7) || {
        (10 - weighted(id, &[2, 9, 8, 7, 6, 3, 4]) % 10) % 10 == digit(id, 7)
    }
}

/// Ecuador, cédula: province and Luhn.
pub(super) fn ec_ci(id: &[u8]) -> bool {
    matches!(number(id, 0, 2), 1..=24 | 30) && digit(id, 2) < 6 && luhn(id)
}

/// Peru, number of the identity document with its check digit.
pub(super) fn pe_cui(id: &[u8]) -> bool {
    let sum = weighted(id, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    id.get(8).is_some_and(|check| {
        b"65432110987".get(sum as usize) == Some(check) || b"KJIHGFEDCBA".get(sum as usize) == Some(check)
    })
}

/// Cuba: birth date.
pub(super) fn cu_ni(id: &[u8]) -> bool {
    yymmdd(id, 0)
}

// === Asia, Africa, Oceania ===

/// India, Aadhaar: Verhoeff, never beginning with 0 or 1, no palindrome.
pub(super) fn in_aadhaar(id: &[u8]) -> bool {
    digit(id, 0) > 1 && verhoeff(id) && !id.iter().eq(id.iter().rev())
}

/// India, permanent account number: the fourth letter tells the kind of holder.
pub(super) fn in_pan(id: &[u8]) -> bool {
    id.get(3).is_some_and(|kind| b"ABCFGHJLPTK".contains(kind)) && number(id, 5, 4) != 0
}

/// India, GSTIN: state, account number, check in base 36.
pub(super) fn in_gstin(id: &[u8]) -> bool {
    let mut sum = 0;
    for (at, byte) in id.iter().take(14).enumerate() {
        let product = value36(*byte) * if at % 2 == 0 { 1 } else { 2 };
        sum += product / 36 + product % 36;
    }
    (1..=38).contains(&number(id, 0, 2)) && id.get(14).is_some_and(|check| value36(*check) == (36 - sum % 36) % 36)
}

/// Australia, tax file number of nine digits.
pub(super) fn au_tfn(id: &[u8]) -> bool {
    weighted(id, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) && !uniform(id)
}

/// Australia, business number: weights modulo 89, one being taken from the first digit.
pub(super) fn au_abn(id: &[u8]) -> bool {
    digit(id, 0) > 0 && (weighted(id, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]) - 10).is_multiple_of(89)
}

/// Australia, company number: weights 8 to 1.
pub(super) fn au_acn(id: &[u8]) -> bool {
    (10 - weighted(id, &[8, 7, 6, 5, 4, 3, 2, 1]) % 10) % 10 == digit(id, 8) && !uniform(id)
}

/// Australia, Medicare: begins with 2 to 6, weights modulo 10.
pub(super) fn au_medicare(id: &[u8]) -> bool {
    (2..=6).contains(&digit(id, 0)) && weighted(id, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == digit(id, 8)
}

/// New Zealand, tax number: two rounds of weights modulo 11.
pub(super) fn nz_ird(id: &[u8]) -> bool {
    let body = number(id, 0, id.len());
    let digits: [u8; 9] = std::array::from_fn(|at| b'0' + (body / 10_u32.pow(8 - at as u32) % 10) as u8);
    let first = weighted(&digits, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    let second = weighted(&digits, &[7, 4, 3, 2, 5, 2, 7, 6]) % 11;
    let check = match (first, second) {
        (0, _) => 0,
        (1, 0) => 0,
        (1, rest) => 11 - rest,
        (rest, _) => 11 - rest,
    };
    (10_000_000..150_000_000).contains(&body) && check == digit(&digits, 8)
}

/// Singapore, NRIC and FIN: weights modulo 11, a letter that depends on the series.
pub(super) fn sg_nric(id: &[u8]) -> bool {
    let sum = weighted(id.get(1..8).unwrap_or_default(), &[2, 7, 6, 5, 4, 3, 2]);
    let (alphabet, offset): (&[u8], u32) = match id.first() {
        Some(b'S') => (b"JZIHGFEDCBA", 0),
        Some(b'T') => (b"JZIHGFEDCBA", 4),
        Some(b'F') => (b"XWUTRQPNMLK", 0),
        Some(b'G') => (b"XWUTRQPNMLK", 4),
        Some(b'M') => (b"XWUTRQPNJLK", 3),
        _ => return false,
    };
    alphabet.get(((sum + offset) % 11) as usize).copied() == id.get(8).copied()
}

/// Hong Kong: one letter, six digits and a check modulo 11.
pub(super) fn hk_id(id: &[u8]) -> bool {
    let sum = 36 * 9 + weighted_mixed(id, &[8, 7, 6, 5, 4, 3, 2]);
    let check = (11 - sum % 11) % 11;
    id.get(7)
        .is_some_and(|last| if check == 10 { *last == b'A' } else { last.is_ascii_digit() && value36(*last) == check })
}

/// Taiwan: a letter that stands for two digits, sex, check.
pub(super) fn tw_id(id: &[u8]) -> bool {
    const CITY: &[u8; 26] =
        &[10, 11, 12, 13, 14, 15, 16, 17, 34, 18, 19, 20, 21, 22, 35, 23, 24, 25, 26, 27, 28, 29, 32, 30, 31, 33];
    let city = id
        .first()
        .and_then(|letter| CITY.get(usize::from(letter.wrapping_sub(b'A'))))
        .map_or(0, |city| u32::from(*city));
    let sum = city / 10 + city % 10 * 9 + weighted(id.get(1..).unwrap_or_default(), &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    matches!(digit(id, 1), 1 | 2 | 8 | 9) && sum.is_multiple_of(10)
}

/// China, resident identity card: province, birth date, check modulo 11.
pub(super) fn cn_ric(id: &[u8]) -> bool {
    let sum = weighted(id, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]) % 11;
    matches!(number(id, 0, 2), 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83 | 91)
        && yyyymmdd(id, 6)
        && b"10X98765432".get(sum as usize).copied() == id.get(17).copied()
}

/// Japan, individual number: weights modulo 11.
pub(super) fn jp_mynumber(id: &[u8]) -> bool {
    let rest = weighted(id, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    digit(id, 11) == if rest < 2 { 0 } else { 11 - rest } && !uniform(id)
}

/// Korea, resident and foreigner registration: birth date, sex and century. Numbers given out since
/// October 2020 have no check digit.
pub(super) fn kr_rrn(id: &[u8]) -> bool {
    yymmdd(id, 0) && !uniform(id.get(6..).unwrap_or_default())
}

/// Korea, business registration.
pub(super) fn kr_brn(id: &[u8]) -> bool {
    let sum = weighted(id, &[1, 3, 7, 1, 3, 7, 1, 3, 5]) + digit(id, 8) * 5 / 10;
    (10 - sum % 10) % 10 == digit(id, 9) && !uniform(id)
}

/// Thailand: weights 13 to 2 modulo 11.
pub(super) fn th_pin(id: &[u8]) -> bool {
    let sum = weighted(id, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    digit(id, 0) != 0 && (11 - sum % 11) % 10 == digit(id, 12)
}

/// Malaysia: birth date and place.
pub(super) fn my_nric(id: &[u8]) -> bool {
    yymmdd(id, 0) && !matches!(number(id, 6, 2), 0 | 17..=20 | 69 | 70 | 73 | 80 | 81 | 94..=97)
}

/// Indonesia: region, birth date (women add 40 to the day), serial.
pub(super) fn id_nik(id: &[u8]) -> bool {
    let day = number(id, 6, 2);
    is_date(number(id, 10, 2), number(id, 8, 2), if day > 40 { day - 40 } else { day })
        && (11..=96).contains(&number(id, 0, 2))
        && number(id, 12, 4) != 0
}

/// Pakistan: region and serial.
pub(super) fn pk_cnic(id: &[u8]) -> bool {
    (1..=7).contains(&digit(id, 0)) && digit(id, 12) != 0 && !uniform(id)
}

/// Luhn, and not one digit only.
pub(super) fn luhn_varied(id: &[u8]) -> bool {
    luhn(id) && !uniform(id)
}

/// South Africa: birth date, citizenship, Luhn.
pub(super) fn za_id(id: &[u8]) -> bool {
    yymmdd(id, 0) && digit(id, 10) < 3 && luhn(id)
}

/// Egypt: century, birth date, governorate.
pub(super) fn eg_id(id: &[u8]) -> bool {
    matches!(digit(id, 0), 2 | 3) && yymmdd(id, 1) && matches!(number(id, 7, 2), 1..=35 | 88)
}

/// United Arab Emirates: 784 and Luhn.
pub(super) fn ae_id(id: &[u8]) -> bool {
    id.starts_with(b"784") && luhn(id)
}

/// Saudi Arabia: citizens begin with 1, residents with 2; Luhn.
pub(super) fn sa_id(id: &[u8]) -> bool {
    matches!(digit(id, 0), 1 | 2) && luhn(id)
}

/// Nigeria, and others without a published check digit: not one digit only, no counting up.
pub(super) fn plain(id: &[u8]) -> bool {
    !uniform(id) && !b"12345678901234567890".starts_with(id)
}

/// The permutation of Verhoeff's check; it is applied once more at every place.
const PERMUTATION: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

#[cfg(test)]
mod tests {
    use super::*;

    type Example = (&'static [u8], fn(&[u8]) -> bool);

    /// How many of the numbers that differ from `number` in one digit pass, too.
    fn slips(number: &[u8], check: fn(&[u8]) -> bool) -> usize {
        assert!(check(number), "{}", String::from_utf8_lossy(number));
        let mut passed = 0;
        for at in 0..number.len() {
            for digit in b'0'..=b'9' {
                let mut other = number.to_vec();
                if other[at].is_ascii_digit() && other[at] != digit {
                    other[at] = digit;
                    passed += usize::from(check(&other));
                }
            }
        }
        passed
    }

    #[test]
    fn no_single_slip_passes() {
        // Examples of the standards and of the authorities, where they give one.
        let examples: [Example; 12] = [
            (b"79927398713", luhn),
            (b"2363", verhoeff),
            (b"07945", mod11_10),
            (b"9434765919", uk_nhs),
            (b"44051401359", pl_pesel),
            (b"111222333", nl_bsn),
            (b"7569217076985", ch_ahv),
            (b"52998224725", br_cpf),
            (b"11222333000181", br_cnpj),
            (b"01010750160", no_fnr),
            (b"51824753556", au_abn),
            (b"10000000146", tr_tckn),
        ];
        for (number, check) in examples {
            assert_eq!(slips(number, check), 0, "{}", String::from_utf8_lossy(number));
        }
    }

    #[test]
    fn letters_are_part_of_the_check() {
        assert!(es_dni(b"12345678Z") && !es_dni(b"12345678A"));
        assert!(es_nie(b"X1234567L") && !es_nie(b"Y1234567L"));
        assert!(it_codice(b"RSSMRA85T10A562S") && !it_codice(b"RSSMRA85T10A562T"));
        assert!(fi_hetu(b"131052308T") && !fi_hetu(b"131052309T"));
        assert!(hk_id(b"A1234563") && !hk_id(b"A1234564"));
        assert!(tw_id(b"A123456789") && !tw_id(b"A123456788"));
        assert!(cn_ric(b"11010519491231002X") && !cn_ric(b"110105194912310021"));
        assert!(sg_nric(b"S1234567D") && !sg_nric(b"S1234567E"));
        assert!(icao(b"L898902C36") && !icao(b"L898902C37"));
    }

    #[test]
    fn dates_are_days_of_the_calendar() {
        assert!(is_date(2000, 2, 29) && !is_date(2001, 2, 29) && !is_date(2000, 13, 1) && !is_date(2000, 4, 31));
    }
}
