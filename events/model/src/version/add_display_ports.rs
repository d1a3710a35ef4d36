//! A display says at which ports it is reached: they are found when the domain starts.

pub mod session {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use crate::timestamp::Timestamp;
    use crate::version::initial;

    /// Of a display on its host. Neither: it is on a Unix socket, or nobody has said.
    #[derive(
        Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema,
    )]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    pub struct Ports {
        /// In the clear.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub port: Option<u16>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub tls_port: Option<u16>,
    }

    /// The machine's display takes the ticket's password, and earlier viewers are cut off.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    pub struct DisplayArmed {
        pub ticket: u32,
        /// It is worth nothing then, if no viewer has come.
        pub expires_at: Timestamp,
        #[serde(default)]
        pub ports: Ports,
    }

    impl From<initial::session::DisplayArmed> for DisplayArmed {
        fn from(armed: initial::session::DisplayArmed) -> Self {
            let initial::session::DisplayArmed { ticket, expires_at } = armed;
            Self { ticket, expires_at, ports: Ports::default() }
        }
    }
}
