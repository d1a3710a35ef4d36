//! Reads the frames of a file one after the other, and checks each.

use std::io;

use bytes::Bytes;

use super::fields::Malformed;
use super::frame::{BODY_BYTES_MAX, HEADER_BYTES, Header};
use crate::disk::DiskFile;

/// The first read is small, for those who want one record; from then on they double, so that who
/// reads everything soon reads a mebibyte at a time.
const WINDOW_BYTES_MIN: usize = 32 * 1024;
const WINDOW_BYTES_MAX: usize = 1024 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub offset: u64,
    pub header: Header,
    /// Without padding. It shares memory with its neighbours.
    pub body: Bytes,
}

impl Frame {
    /// Where the next frame starts.
    pub const fn end(&self) -> u64 {
        self.offset + self.header.frame_len() as u64
    }
}

#[derive(Debug)]
pub enum Broken {
    /// The bytes at `offset` are not a whole frame. `header` is there if it could be read.
    Frame {
        offset: u64,
        header: Option<Header>,
        what: Malformed,
    },
    Io(io::Error),
}

#[derive(Debug)]
pub struct FrameReader<'a> {
    file: &'a dyn DiskFile,
    offset: u64,
    end: u64,
    window: Bytes,
    window_start: u64,
    window_bytes: usize,
}

impl<'a> FrameReader<'a> {
    /// Reads frames from `offset` on, up to `end` or the end of the file.
    pub fn new(file: &'a dyn DiskFile, offset: u64, end: u64) -> Self {
        Self {
            file,
            offset,
            end,
            window: Bytes::new(),
            window_start: offset,
            window_bytes: WINDOW_BYTES_MIN,
        }
    }

    /// Where the next frame starts.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next frame, or nothing at the end.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Broken> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let offset = self.offset;
        let broken = |header| move |what| Broken::Frame { offset, header, what };
        let at = self.fill(HEADER_BYTES)?;
        let header = Header::read(&self.window[at..]).map_err(broken(None))?;
        let at = self.fill(header.frame_len())?;
        let body = at + HEADER_BYTES;
        let end = (body + header.padded_len()).min(self.window.len());
        header.check(&self.window[body.min(end)..end]).map_err(broken(Some(header)))?;
        let body = self.window.slice(body..body + header.body_len);
        self.offset += header.frame_len() as u64;
        Ok(Some(Frame { offset, header, body }))
    }

    /// Makes sure that the window has `length` bytes from the current offset on, or all up to the
    /// end. Says where in the window they start.
    fn fill(&mut self, length: usize) -> Result<usize, Broken> {
        let skip = usize::try_from(self.offset - self.window_start).unwrap_or(usize::MAX);
        if self.window.len().saturating_sub(skip) >= length {
            return Ok(skip);
        }
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let mut window = vec![0; left.min(length.max(self.window_bytes))];
        let filled = self.file.read_at(&mut window, self.offset).map_err(Broken::Io)?;
        window.truncate(filled);
        self.window = Bytes::from(window);
        self.window_start = self.offset;
        self.window_bytes = (2 * self.window_bytes).min(WINDOW_BYTES_MAX);
        Ok(0)
    }
}

/// The one frame at `offset`, if it is whole; its memory is its own.
pub fn frame_at(file: &dyn DiskFile, offset: u64) -> Result<Frame, Broken> {
    // Most frames fit into the first read; a larger one takes a second.
    const FIRST_READ_BYTES: usize = 2048;
    let mut bytes = vec![0; FIRST_READ_BYTES];
    let filled = file.read_at(&mut bytes, offset).map_err(Broken::Io)?;
    bytes.truncate(filled);
    let header =
        Header::read(&bytes).map_err(|what| Broken::Frame { offset, header: None, what })?;
    let length = header.frame_len().min(HEADER_BYTES + BODY_BYTES_MAX + HEADER_BYTES);
    if filled < length {
        bytes.resize(length, 0);
        let more = file.read_at(&mut bytes[filled..], offset + filled as u64);
        let more = more.map_err(Broken::Io)?;
        bytes.truncate(filled + more);
    }
    bytes.truncate(length);
    let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
    header.check(body).map_err(|what| Broken::Frame { offset, header: Some(header), what })?;
    let body = Bytes::from(bytes).slice(HEADER_BYTES..HEADER_BYTES + header.body_len);
    Ok(Frame { offset, header, body })
}
