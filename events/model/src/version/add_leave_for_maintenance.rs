//! Whoever waits is told that everything that they could get is in maintenance.

pub mod session {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use crate::version::initial;

    /// Whoever asked waits no longer.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    pub struct Left {
        pub cause: LeaveCause,
    }

    #[derive(
        Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
    )]
    #[serde(rename_all = "snake_case")]
    pub enum LeaveCause {
        /// They said so.
        Request,
        /// They did not ask for too long.
        Silence,
        /// What they waited for is gone, or is no longer theirs.
        Revoked,
        /// All machines that they could get are in maintenance.
        Maintenance,
    }

    impl From<initial::session::Left> for Left {
        fn from(left: initial::session::Left) -> Self {
            let cause = match left.cause {
                initial::session::LeaveCause::Request => LeaveCause::Request,
                initial::session::LeaveCause::Silence => LeaveCause::Silence,
                initial::session::LeaveCause::Revoked => LeaveCause::Revoked,
            };
            Self { cause }
        }
    }
}
