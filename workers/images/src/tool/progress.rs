//! How far qemu-img says that it is: `    (12.34/100%)`, each time after a carriage return.

/// Takes progress out of what it writes.
#[derive(Debug, Default)]
pub(super) struct Progress {
    line: Vec<u8>,
    /// Hundredths of a percent. It never falls.
    so_far: u64,
}

/// Longer ones are none.
const LINE_BYTES_MAX: usize = 64;
pub(super) const WHOLE: u64 = 10_000;

impl Progress {
    /// Hundredths of a percent, if more is done than before.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Option<u64> {
        let before = self.so_far;
        for byte in bytes {
            if matches!(byte, b'\r' | b'\n' | b')') {
                let told = parse(&self.line).unwrap_or(0);
                self.so_far = self.so_far.max(told);
                self.line.clear();
            } else if self.line.len() < LINE_BYTES_MAX {
                self.line.push(*byte);
            }
        }
        (self.so_far > before).then_some(self.so_far)
    }
}

fn parse(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?.trim();
    let number = line.strip_prefix('(')?.strip_suffix("/100%")?;
    let (whole, part) = number.split_once('.')?;
    let two_digits = part.len() == 2;
    let (whole, part): (u64, u64) = (whole.parse().ok()?, part.parse().ok()?);
    (two_digits && whole <= 100).then_some((whole * 100 + part).min(WHOLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hears_it_in_any_pieces() {
        let told = b"    (0.00/100%)\r    (1.05/100%)\r    (12.34/100%)\r    (100.00/100%)\r\n";
        for size in 1..told.len() {
            let mut progress = Progress::default();
            let heard: Vec<u64> =
                told.chunks(size).filter_map(|bytes| progress.hear(bytes)).collect();
            assert_eq!(heard.last(), Some(&WHOLE), "{size}");
            assert!(heard.is_sorted());
        }
    }

    #[test]
    fn hears_nothing_else() {
        for other in ["(101.00/100%)", "(1.005/100%)", "(-1.00/100%)", "(x/100%)", "12.00/100%"] {
            assert_eq!(Progress::default().hear(other.as_bytes()), None, "{other}");
        }
        let long = "9".repeat(1_000_000);
        let mut progress = Progress::default();
        assert_eq!(progress.hear(long.as_bytes()), None);
        assert!(progress.line.len() <= LINE_BYTES_MAX);
    }
}
