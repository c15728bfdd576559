//! What several targets ask of a decoder.

use portcullis_engine::scan::decoded;

/// Decodes `text` and asserts that every layer leads back into it, and that all of them together are small.
pub fn decode(text: &str) -> Vec<String> {
    let mut layers = Vec::new();
    decoded(text, &mut |layer, original| {
        assert!(text.get(original.clone()).is_some(), "{original:?} is not within the text");
        layers.push(layer.to_owned());
    });
    let total: usize = layers.iter().map(String::len).sum();
    assert!(total <= 4 * text.len() + 1024, "{total} bytes out of {}", text.len());
    layers
}

/// Asserts that letters and digits written by `code` come back, whatever else comes of the text; and that the raw
/// input is survived.
pub fn comes_back(input: &[u8], code: impl Fn(char) -> String) {
    let text = String::from_utf8_lossy(input);
    decode(&text);
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).take(512).collect();
    if plain.is_empty() {
        return;
    }
    let coded: String = plain.chars().map(&code).collect();
    let layers = decode(&coded);
    assert!(layers.iter().any(|layer| layer.contains(&plain)), "{plain:?} did not come out of {coded:?}");
    // Beside text that is not coded, and cut anywhere.
    decode(&format!("{text}{coded}"));
    let cut = coded.chars().count() / 2;
    decode(&coded.chars().take(cut).collect::<String>());
}
