//! The W3C trace context of a command, kept with its records so that one trace shows all of it.

use std::fmt;
use std::str::FromStr;

/// `traceparent` of W3C Trace Context, level 1, version 00: `00-<trace>-<parent>-<flags>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    pub trace_id: [u8; 16],
    pub parent_id: [u8; 8],
    pub flags: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("traceparent is 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, ids not all zero")]
pub struct TraceParentError;

impl FromStr for TraceParent {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let mut parts = text.split('-');
        if parts.next() != Some("00") {
            return Err(TraceParentError);
        }
        let trace_id = hex(parts.next())?;
        let parent_id = hex(parts.next())?;
        let [flags] = hex(parts.next())?;
        if parts.next().is_some() || trace_id == [0; 16] || parent_id == [0; 8] {
            return Err(TraceParentError);
        }
        Ok(Self { trace_id, parent_id, flags })
    }
}

fn hex<const N: usize>(part: Option<&str>) -> Result<[u8; N], TraceParentError> {
    let digits = part.ok_or(TraceParentError)?.as_bytes();
    if digits.len() != 2 * N {
        return Err(TraceParentError);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

/// The standard allows lower case only.
fn digit(byte: u8) -> Result<u8, TraceParentError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(TraceParentError),
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace_id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.parent_id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", self.flags)
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_round_trips() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(text.parse::<TraceParent>().map(|parsed| parsed.to_string()), Ok(text.into()));
    }

    #[test]
    fn what_the_standard_forbids_is_refused() {
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        ] {
            assert_eq!(bad.parse::<TraceParent>(), Err(TraceParentError), "{bad:?}");
        }
    }
}
