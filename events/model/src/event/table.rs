//! The table of facts: what its rows become.

/// Decodes as the oldest shape of a list and goes from each to the next.
macro_rules! upcast {
    ($value:expr;) => { $value };
    ($value:expr; $next:ty $(, $rest:ty)*) => {
        upcast!(<$next>::from($value); $($rest),*)
    };
}

/// One row for each fact: `Name "its.name": schema => data;`. Behind it, what it was before: `, was
/// 1 => data, then the data of schema 2; 2 => data`. A shape that is still written as long as the
/// feature level is low says `, until level`.
macro_rules! facts {
    ($($(#[$about:meta])* $thing:ident($id:ident, $facts:ident) $category:literal {
        $($name:ident $kind:literal: $latest:literal => $data:ty
            $(, was $($old:literal => $was:ty $(, then $step:ty)* $(, until $level:literal)?);+)?;)*
    })*) => {
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event {$(
            $thing($id, $facts),
        )*}

        $(
            $(#[$about])*
            #[derive(Clone, Debug, PartialEq)]
            pub enum $facts {$(
                $name($data),
            )*}

            impl Stream for $id {
                const CATEGORY: &'static str = $category;
                type Fact = $facts;
                type Event = Event;

                fn event(self, fact: $facts) -> Event {
                    Event::$thing(self, fact)
                }
            }
        )*

        /// Every schema of every fact that this version can read.
        pub const KNOWN: &[Known] = &[$($(
            Known {
                kind: $kind,
                schema: $latest,
                category: $category,
                json_schema: SchemaGenerator::into_root_schema_for::<$data>,
                reread: reread::<$data>,
            },
            $($(Known {
                kind: $kind,
                schema: $old,
                category: $category,
                json_schema: SchemaGenerator::into_root_schema_for::<$was>,
                reread: reread::<$was>,
            },)+)?
        )*)*];

        impl Event {
            /// Its name in the log.
            pub const fn kind(&self) -> &'static str {
                match self {$($(Self::$thing(_, $facts::$name(_)) => $kind,)*)*}
            }

            /// The category and the id of its stream.
            pub const fn stream(&self) -> (&'static str, Uuid) {
                match self {$(Self::$thing(id, _) => ($category, id.uuid()),)*}
            }

            /// As it is written when every process reads what this feature level brought. None:
            /// not everybody could read it yet.
            pub fn written(&self, level: u16) -> Option<Result<Written, serde_json::Error>> {
                let _ = level;
                match self {$($(
                    Self::$thing(_, $facts::$name(data)) => {
                        $($($(
                            if level < $level {
                                let earlier = <$was>::try_from(data.clone()).ok()?;
                                return Some(write($old, &earlier));
                            }
                        )?)+)?
                        Some(write($latest, data))
                    }
                )*)*}
            }

            /// Whether there is a shape for it that every process reads at this feature level.
            pub fn is_readable_at(&self, level: u16) -> bool {
                let _ = level;
                match self {$($(
                    Self::$thing(_, $facts::$name(_data)) => {
                        $($($(
                            if level < $level {
                                return <$was>::try_from(_data.clone()).is_ok();
                            }
                        )?)+)?
                        true
                    }
                )*)*}
            }

            /// Reads what any version so far has written.
            pub fn decode(
                kind: &str,
                schema: u16,
                stream: (&str, Uuid),
                data: &[u8],
            ) -> Result<Self, Undecodable> {
                match (kind, schema) {
                    $($(
                        ($kind, $latest) => {
                            let data: $data = read($kind, schema, data)?;
                            Ok(Self::$thing(id_of($kind, stream)?, $facts::$name(upcast!(data;))))
                        }
                        $($(
                            ($kind, $old) => {
                                let data: $was = read($kind, schema, data)?;
                                let data: $data = upcast!(data; $($step,)* $data);
                                Ok(Self::$thing(id_of($kind, stream)?, $facts::$name(upcast!(data;))))
                            }
                        )+)?
                    )*)*
                    _ => Err(Undecodable::Unknown { kind: kind.to_owned(), schema }),
                }
            }
        }
    };
}
