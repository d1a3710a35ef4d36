//! What people write and programs pass on: descriptions, properties, messages on a screen.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use smol_str::SmolStr;

/// Up to 1,024 bytes of UTF-8 without control characters, except for line breaks.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Text(SmolStr);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a text is at most {} bytes long and has no control characters but line breaks",
    Text::LENGTH_MAX
)]
pub struct TextError;

impl Text {
    pub const LENGTH_MAX: usize = 1024;

    pub fn new(text: &str) -> Result<Self, TextError> {
        let fits = text.len() <= Self::LENGTH_MAX;
        if fits && text.chars().all(|letter| letter == '\n' || !letter.is_control()) {
            return Ok(Self(SmolStr::new(text)));
        }
        Err(TextError)
    }

    /// Without what a text can't hold: control characters, and what is too long.
    pub fn cut(text: &str) -> Self {
        let mut cut = text.to_owned();
        cut.retain(|letter| letter == '\n' || !letter.is_control());
        while cut.len() > Self::LENGTH_MAX {
            cut.pop();
        }
        Self(cut.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": Self::LENGTH_MAX })
    }
}

/// A text in one line, which may be a secret.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Line(Text);

impl AsRef<str> for Line {
    fn as_ref(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line(..)")
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(from)?;
        if text.as_str().contains('\n') {
            return Err(de::Error::custom("it has a line break, and may be one line only"));
        }
        Ok(Self(text))
    }
}

impl JsonSchema for Line {
    fn schema_name() -> Cow<'static, str> {
        "Line".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": Text::LENGTH_MAX, "pattern": r"^[^\n]*$", "writeOnly": true })
    }
}
