//! What a display shows, as PNG.

use virt::stream::Stream;

use crate::host::Host;
use crate::target::Target;
use crate::trouble::Trouble;

/// Four 4K displays side by side, three bytes a pixel.
const BYTES_MAX: usize = 4 * 3840 * 2160 * 3 + PPM_HEADER_MAX;
const PPM_HEADER_MAX: usize = 64;
/// What libvirt hands over at once.
const PIECE: usize = 256 << 10;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

impl Host {
    /// Of the first monitor.
    pub fn screenshot(&self, target: Target) -> Result<Vec<u8>, Trouble> {
        let image = self.ask_monitor(target.uuid, move |connect| {
            let held = target.take(connect)?;
            held.must_run()?;
            let stream = Stream::new(connect, 0)?;
            held.domain.screenshot(&stream, 0, 0)?;
            let image = receive(&stream);
            // What was begun is ended either way, or libvirt would go on sending.
            if image.is_ok() {
                stream.finish()?;
            } else {
                stream.abort()?;
            }
            image
        })?;
        // QEMU before 7.1 knows only one kind of picture.
        if image.starts_with(PNG) { Ok(image) } else { from_ppm(&image).ok_or_else(odd) }
    }
}

fn odd() -> Trouble {
    Trouble::never("screenshot", "no picture that we know")
}

fn receive(stream: &Stream) -> Result<Vec<u8>, Trouble> {
    let mut image = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        match stream.recv(&mut piece)? {
            0 => return Ok(image),
            some => image.extend_from_slice(&piece[..some]),
        }
        if image.len() > BYTES_MAX {
            return Err(Trouble::never("screenshot", "a picture larger than any display"));
        }
    }
}

/// As QEMU writes it: `P6`, width, height and 255, then three bytes a pixel.
fn from_ppm(image: &[u8]) -> Option<Vec<u8>> {
    let mut rest = image.strip_prefix(b"P6")?;
    let (width, height, deepest) = (number(&mut rest)?, number(&mut rest)?, number(&mut rest)?);
    let pixels = rest.get(1..)?;
    let bytes = usize::try_from(width).ok()?.checked_mul(usize::try_from(height).ok()?)?;
    if deepest != 255 || pixels.len() != bytes.checked_mul(3)? {
        return None;
    }
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(pixels).ok()?;
    writer.finish().ok()?;
    Some(png)
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let begin = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let digits = &rest[begin..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, after) = digits.split_at(end);
    *rest = after;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{PNG, from_ppm};

    #[test]
    fn an_old_picture_becomes_a_new_one() {
        let mut ppm = b"P6\n2 1\n255\n".to_vec();
        ppm.extend([255, 0, 0, 0, 0, 255]);
        let png = from_ppm(&ppm).expect("a picture");
        assert!(png.starts_with(PNG));
        let decoder = png::Decoder::new(std::io::Cursor::new(png));
        let mut reader = decoder.read_info().expect("PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        reader.next_frame(&mut pixels).expect("a frame");
        assert_eq!(pixels, [255, 0, 0, 0, 0, 255]);
    }

    #[test]
    fn what_is_none_is_refused() {
        for odd in
            [&b"P6\n9999 9999\n255\n"[..], b"P5\n1 1\n255\nxxx", b"", b"P6\n1 1\n65535\nxxxxxx"]
        {
            assert_eq!(from_ppm(odd), None);
        }
    }
}
