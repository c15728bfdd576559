//! QR codes (ISO/IEC 18004) for authenticator apps: as text for a terminal, and as PNG.

use qrcodegen::{QrCode, QrCodeEcc};

use crate::failure::Failure;

/// The code of a text, light on dark as terminals are; two rows of it in a line.
pub(crate) fn text(content: &str) -> Result<String, Failure> {
    let code = encode(content)?;
    let mut out = String::new();
    for y in (-QUIET..code.size() + QUIET).step_by(2) {
        for x in -QUIET..code.size() + QUIET {
            // Outside of it all is light.
            out.push(match (code.get_module(x, y), code.get_module(x, y + 1)) {
                (false, false) => '█',
                (false, true) => '▀',
                (true, false) => '▄',
                (true, true) => ' ',
            });
        }
        out.push('\n');
    }
    Ok(out)
}

/// The code of a text as a PNG, dark on light.
pub(crate) fn png(content: &str) -> Result<Vec<u8>, Failure> {
    let code = encode(content)?;
    let side = (code.size() + 2 * QUIET) * SCALE;
    let failed = |error: png::EncodingError| Failure::new(format!("no PNG can be written: {error}"));
    let mut pixels = Vec::new();
    for y in 0..side {
        for x in 0..side {
            let dark = code.get_module(x / SCALE - QUIET, y / SCALE - QUIET);
            pixels.push(if dark { 0 } else { 255 });
        }
    }
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, side.unsigned_abs(), side.unsigned_abs());
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(out)
}

fn encode(content: &str) -> Result<QrCode, Failure> {
    QrCode::encode_text(content, QrCodeEcc::Medium).map_err(|_| Failure::new("the name is too long for a QR code"))
}

/// Light modules around the code that readers need.
const QUIET: i32 = 4;
/// Pixels of a module.
const SCALE: i32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_picture_show_the_same_code() {
        let content = "otpauth://totp/Portcullis:anna%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let text = text(content).unwrap();
        let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        let bytes = png(content).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let side = reader.next_frame(&mut pixels).unwrap().width as usize;
        assert_eq!(side, lines[0].len() * SCALE as usize);
        for y in 0..lines[0].len() {
            for x in 0..lines[0].len() {
                let shown = lines[y / 2][x];
                let light = shown == '█' || shown == if y % 2 == 0 { '▀' } else { '▄' };
                let pixel = pixels[(y * SCALE as usize + 1) * side + x * SCALE as usize + 1];
                assert_eq!(light, pixel == 255, "{x} {y}");
            }
        }
    }
}
