//! A medium has a format of its own: what is uploaded may be in one that no disk of Carrel's is in.

pub mod media {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use crate::hash::Digest;
    use crate::ids::StorageId;
    use crate::name::Name;
    use crate::version::initial;
    use crate::version::initial::media::Kind;
    use crate::version::initial::{Labels, Properties};

    /// How an uploaded file holds what is in it. It is said, and never guessed from its bytes.
    #[derive(
        Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
    )]
    #[serde(rename_all = "snake_case")]
    #[schemars(rename = "UploadFormat")]
    pub enum Format {
        Raw,
        Qcow2,
        /// VMware, in one file.
        Vmdk,
        /// Virtual PC, Hyper-V before 2012, Azure.
        Vhd,
        /// Hyper-V.
        Vhdx,
    }

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    pub struct Added {
        pub name: Name,
        pub kind: Kind,
        pub format: Format,
        pub storage: StorageId,
        pub size_bytes: u64,
        pub digest: Digest,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub labels: Labels,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub properties: Properties,
    }

    impl From<initial::machine::Format> for Format {
        fn from(format: initial::machine::Format) -> Self {
            match format {
                initial::machine::Format::Raw => Self::Raw,
                initial::machine::Format::Qcow2 => Self::Qcow2,
            }
        }
    }

    impl From<initial::media::Added> for Added {
        fn from(added: initial::media::Added) -> Self {
            let initial::media::Added {
                name,
                kind,
                format,
                storage,
                size_bytes,
                digest,
                labels,
                properties,
            } = added;
            let format = format.into();
            Self { name, kind, format, storage, size_bytes, digest, labels, properties }
        }
    }
}
