//! Files at the root of an image of ISO 9660 (ECMA-119, fourth edition), with the names of Joliet
//! (Microsoft, "Joliet Specification", 1995) beside those of eight letters. Linux, the BSDs and
//! Windows read the former, in which letters are small and names long.
//!
//! ```text
//!   sector  0    nothing
//!          16    the volume, the volume once more with names of Joliet, the end of these
//!          19    its path table twice, with the low and with the high byte first; Joliet's, too
//!          23    its root, and Joliet's
//!          25    the files, each from a sector of its own
//! ```
//!
//! The standard says what each field is for, in the sections that are named here.

const SECTOR: usize = 2048;

const VOLUMES: u32 = 16;
const PATHS: u32 = 19;
const ROOTS: u32 = 23;
const FILES: u32 = 25;

/// UCS-2 of level 3 (Joliet, "Escape Sequences"), by which a reader knows such a volume.
const JOLIET: &[u8] = b"%/E";
const IS_FOLDER: u8 = 2;

/// A file that has something in it.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) name: &'static str,
    /// Eight and three capital letters, for who knows no others.
    pub(crate) short: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// Which names stand in a root.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Short,
    Long,
}

impl Names {
    fn of(self, file: &File) -> Vec<u8> {
        match self {
            Self::Short => file.short.as_bytes().to_vec(),
            Self::Long => wide(file.name),
        }
    }

    /// Where what it has is found, of two.
    fn number(self) -> u32 {
        match self {
            Self::Short => 0,
            Self::Long => 1,
        }
    }

    fn root(self) -> u32 {
        ROOTS + self.number()
    }

    fn paths(self) -> [u32; 2] {
        let first = PATHS + 2 * self.number();
        [first, first + 1]
    }
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// A few files of a few MiB each: a root has one sector.
pub(crate) fn image(label: &str, files: Vec<File>) -> Vec<u8> {
    let mut placed = Vec::with_capacity(files.len());
    let mut next = FILES;
    for file in files {
        let sectors = length(&file.bytes).div_ceil(length(&[0; SECTOR]));
        placed.push((next, file));
        next += sectors;
    }
    let mut image = vec![0; VOLUMES as usize * SECTOR];
    for names in [Names::Short, Names::Long] {
        append(&mut image, &volume(label, names, next));
    }
    append(&mut image, b"\xffCD001\x01");
    for names in [Names::Short, Names::Long] {
        append(&mut image, &path_table(names.root().to_le_bytes(), 1_u16.to_le_bytes()));
        append(&mut image, &path_table(names.root().to_be_bytes(), 1_u16.to_be_bytes()));
    }
    for names in [Names::Short, Names::Long] {
        append(&mut image, &root(names, &placed));
    }
    for (_, file) in &placed {
        append(&mut image, &file.bytes);
    }
    image
}

/// To the end of a sector.
fn append(image: &mut Vec<u8>, bytes: &[u8]) {
    image.extend_from_slice(bytes);
    image.resize(image.len().next_multiple_of(SECTOR), 0);
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Both ways round (7.2.3, 7.3.3).
fn both16(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

fn both32(number: u32) -> [u8; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d, e, f, g, h]
}

/// A volume descriptor (8.4, 8.5).
fn volume(label: &str, names: Names, sectors: u32) -> Vec<u8> {
    let text = |text: &str, bytes: usize| -> Vec<u8> {
        let (mut field, blank) = match names {
            Names::Short => (text.as_bytes().to_vec(), b" ".as_slice()),
            Names::Long => (wide(text), b"\0 ".as_slice()),
        };
        let fill = blank.iter().copied().cycle();
        let missing = bytes.saturating_sub(field.len());
        field.extend(fill.take(missing));
        field
    };
    let (kind, escape) = match names {
        Names::Short => (1, b"".as_slice()),
        Names::Long => (2, JOLIET),
    };
    let [low, high] = names.paths();
    let mut volume = vec![kind];
    volume.extend_from_slice(b"CD001\x01\0");
    volume.extend(text("", 32));
    volume.extend(text(label, 32));
    volume.extend([0; 8]);
    volume.extend(both32(sectors));
    volume.extend_from_slice(escape);
    volume.resize(120, 0);
    volume.extend(both16(1));
    volume.extend(both16(1));
    volume.extend(both16(2048));
    volume.extend(both32(length(&path_table([0; 4], [0; 2]))));
    volume.extend(low.to_le_bytes());
    volume.extend([0; 4]);
    volume.extend(high.to_be_bytes());
    volume.extend([0; 4]);
    volume.extend(record(&[0], (names.root(), length(&[0; SECTOR])), IS_FOLDER));
    for bytes in [128, 128, 128, 128, 37, 37, 37] {
        volume.extend(text("", bytes));
    }
    for _ in 0..4 {
        volume.extend(NEVER);
    }
    volume.extend([1, 0]);
    volume
}

/// A moment that is not told (8.4.26.1), so that the same input makes the same bytes.
const NEVER: [u8; 17] = *b"0000000000000000\0";

/// The first day that any file system knows, for those that want one (9.1.5).
const DAY: [u8; 7] = [80, 1, 1, 0, 0, 0, 0];

/// A path table with nothing in it but the root (9.4).
fn path_table(root: [u8; 4], parent: [u8; 2]) -> Vec<u8> {
    let mut table = vec![1, 0];
    table.extend(root);
    table.extend(parent);
    table.extend([0, 0]);
    table
}

/// What is in a root, and itself twice: as itself, and as what is above it (6.8.2.2).
fn root(names: Names, files: &[(u32, File)]) -> Vec<u8> {
    let itself = (names.root(), length(&[0; SECTOR]));
    let mut folder = record(&[0], itself, IS_FOLDER);
    folder.extend(record(&[1], itself, IS_FOLDER));
    let named = files.iter().map(|(at, file)| (names.of(file), (*at, length(&file.bytes))));
    let mut named: Vec<_> = named.collect();
    named.sort();
    for (name, place) in named {
        folder.extend(record(&name, place, 0));
    }
    folder
}

/// A directory record (9.1).
fn record(name: &[u8], (at, bytes): (u32, u32), flags: u8) -> Vec<u8> {
    let length_of = |bytes: usize| u8::try_from(bytes).unwrap_or(u8::MAX);
    let mut record = vec![0, 0];
    record.extend(both32(at));
    record.extend(both32(bytes));
    record.extend(DAY);
    record.extend([flags, 0, 0]);
    record.extend(both16(1));
    record.push(length_of(name.len()));
    record.extend_from_slice(name);
    record.resize(record.len().next_multiple_of(2), 0);
    record[0] = length_of(record.len());
    record
}

#[cfg(test)]
mod tests {
    use super::{File, Names, SECTOR, image, record, root, volume};

    fn file(name: &'static str, short: &'static str, bytes: usize) -> File {
        File { name, short, bytes: vec![b'x'; bytes] }
    }

    #[test]
    fn fields_are_where_the_standard_has_them() {
        let volume = volume("cidata", Names::Short, 30);
        assert_eq!(volume.len(), 883);
        assert_eq!(&volume[40..48], b"cidata  ");
        assert_eq!(&volume[80..88], [30, 0, 0, 0, 0, 0, 0, 30]);
        assert_eq!(&volume[128..132], [0, 8, 8, 0]);
        assert_eq!(volume[156], 34);
        assert_eq!(&volume[813..829], b"0000000000000000");
        assert_eq!(volume[881], 1);
        assert_eq!(record(b"A.;1", (25, 1), 0).len(), 38);
    }

    #[test]
    fn files_are_in_sectors_of_their_own() {
        let files = vec![file("b", "B.;1", 1), file("a", "A.;1", SECTOR), file("c", "C.;1", 2049)];
        let image = image("cidata", files);
        assert_eq!(image.len(), (25 + 1 + 1 + 2) * SECTOR);
        assert_eq!(image[25 * SECTOR + 1], 0);
        assert_eq!(image[27 * SECTOR - 1], b'x');
        assert_eq!(image[28 * SECTOR], b'x');
    }

    #[test]
    fn all_of_them_fit_into_a_root() {
        let all = ["meta-data", "user-data", "carrel.json", "network-config", "autounattend.xml"];
        let all = all.into_iter().chain(["unattend.xml"]);
        let files: Vec<_> = all.map(|name| (25, file(name, "AUTOUNAT.XML;1", 1))).collect();
        assert!(root(Names::Long, &files).len() <= SECTOR);
        assert!(root(Names::Short, &files).len() <= SECTOR);
    }
}
