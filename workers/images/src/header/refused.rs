//! Why a file is not let through. Each reason says what to do, and has a word that stays.

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("this is {0}, not a file; name the file itself")]
    NotAFile(&'static str),
    #[error("the file is empty; send it again")]
    Empty,
    #[error("this is not {claim}; say what it is, or send another file")]
    OtherFormat { claim: &'static str },
    #[error("this was said to be raw, and begins or ends as {is} does; say what it is")]
    LooksLike { is: &'static str },
    #[error("{what} is said to lie beyond the end of the file; it was cut off, send it again")]
    CutOff { what: &'static str },
    #[error("a raw disk is full sectors of 512 bytes, and this is not; send it again")]
    OddSize,
    #[error("the disk in it has {virtual_bytes} bytes, of at most {max_bytes}; make it smaller")]
    DiskTooLarge { virtual_bytes: u64, max_bytes: u64 },
    #[error("{what} is larger than a disk of this size needs or may have; convert the file")]
    TableTooLarge { what: &'static str },
    #[error("more than {max_bytes} bytes of it would have to be read to know it; convert the file")]
    TooMuchToRead { max_bytes: u64 },
    #[error("it stands on another file; flatten it with `qemu-img convert`, or its own tool")]
    BackingFile,
    #[error("its content lies in another file; put it into one with `qemu-img convert`")]
    DataElsewhere,
    #[error("it is encrypted; decrypt it with `qemu-img convert`")]
    Encrypted,
    #[error("it holds {0} snapshots; remove them, or `qemu-img convert` the state that counts")]
    Snapshots(u32),
    #[error("it holds dirty bitmaps; `qemu-img convert` leaves them out")]
    Bitmaps,
    #[error("it was not closed properly; repair it with its own tool, `qemu-img check -r` say")]
    NotClosed,
    #[error("it is marked as corrupt; repair it with `qemu-img check -r`, or send another")]
    MarkedCorrupt,
    #[error("it needs features that nobody here knows ({0}); convert it with its own tool")]
    UnknownFeature(String),
    #[error("its clusters are compressed by a method that is not read here; convert the file")]
    Compression,
    #[error("version {0} of this format is not read here; convert the file")]
    Version(u32),
    #[error("the kind `{0}` of this format is not read here; convert the file to one whole file")]
    Kind(String),
    #[error("its sectors have {0} bytes, and only those of 512 are read; convert the file")]
    SectorSize(u32),
    #[error("the checksum of {0} is wrong; send the file again")]
    Checksum(&'static str),
    #[error("it says two things of {0} that can't both be so")]
    Contradiction(&'static str),
    #[error("{0} is not as the format has it")]
    Malformed(&'static str),
    #[error("two parts of it lie in the same place: {0}")]
    Overlap(&'static str),
    #[error("it could not be read: {0}")]
    Unreadable(String),
}

impl Refused {
    /// Once released it stays the same.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAFile(_) => "image_not_a_file",
            Self::Empty => "image_empty",
            Self::OtherFormat { .. } => "image_other_format",
            Self::LooksLike { .. } => "image_disguised",
            Self::CutOff { .. } => "image_cut_off",
            Self::OddSize => "image_odd_size",
            Self::DiskTooLarge { .. } => "image_disk_too_large",
            Self::TableTooLarge { .. } => "image_table_too_large",
            Self::TooMuchToRead { .. } => "image_too_much_to_read",
            Self::BackingFile => "image_backing_file",
            Self::DataElsewhere => "image_data_elsewhere",
            Self::Encrypted => "image_encrypted",
            Self::Snapshots(_) => "image_snapshots",
            Self::Bitmaps => "image_bitmaps",
            Self::NotClosed => "image_not_closed",
            Self::MarkedCorrupt => "image_marked_corrupt",
            Self::UnknownFeature(_) => "image_unknown_feature",
            Self::Compression => "image_compression",
            Self::Version(_) => "image_version",
            Self::Kind(_) => "image_kind",
            Self::SectorSize(_) => "image_sector_size",
            Self::Checksum(_) => "image_checksum",
            Self::Contradiction(_) => "image_contradiction",
            Self::Malformed(_) => "image_malformed",
            Self::Overlap(_) => "image_overlap",
            Self::Unreadable(_) => "image_unreadable",
        }
    }
}
