//! A child from its start to its end.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, kill_process_group, pidfd_open, prlimit,
};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use super::progress::{Progress, WHOLE};
use super::{Call, Tools};
use crate::failed::Failed;
use crate::limits::{Limits, gib_of};
use crate::watch::Watch;

/// How soon somebody who does not want it any more is heard.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// What is kept of its answers: the JSON of a measurement has a hundred bytes.
const OUTPUT_BYTES_MAX: usize = 64 << 10;
const DETAIL_CHARS_MAX: usize = 300;
const ENVIRONMENT: [(&str, &str); 3] = [
    ("LC_ALL", "C"),
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    // Else each of its threads reserves 64 MiB of address space, of which it has so much only.
    ("MALLOC_ARENA_MAX", "2"),
];

pub(super) fn run(
    tools: &Tools,
    call: &Call<'_>,
    limits: &Limits,
    watch: &dyn Watch,
) -> Result<Vec<u8>, Failed> {
    if watch.is_cancelled() {
        return Err(Failed::Cancelled);
    }
    let broken = |error: std::io::Error| tool(call, &error.to_string());
    let mut command = Command::new(&tools.setpriv);
    command
        .args(["--pdeathsig", "KILL", "--no-new-privs", "--"])
        .arg(&tools.qemu_img)
        .args(&call.arguments)
        .env_clear()
        .envs(ENVIRONMENT)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let child = command.spawn().map_err(broken)?;
    let mut run = Run { child: Ended(child), end: None };
    run.limit(call, limits).map_err(|errno| broken(errno.into()))?;
    let (output, complaint) = run.hear(call, watch)?;
    let status = run.child.0.wait().map_err(broken)?;
    if status.success() { Ok(output) } else { Err(why(call, status, &complaint)) }
}

/// Kills the child if it still runs, whatever way is taken out of here.
struct Ended(Child);

impl Ended {
    fn pid(&self) -> Result<Pid, Errno> {
        i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)
    }

    fn kill(&mut self) {
        // It has its own group, and may not have come to that yet.
        let _ = self.pid().and_then(|pid| kill_process_group(pid, Signal::KILL));
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            self.kill();
        }
    }
}

struct Run {
    child: Ended,
    /// When the time is over.
    end: Option<OwnedFd>,
}

impl Run {
    fn limit(&mut self, call: &Call<'_>, limits: &Limits) -> Result<(), Errno> {
        let pid = self.child.pid()?;
        let gib = gib_of(call.virtual_bytes);
        let cpu = limits.tool_cpu_seconds + gib.saturating_mul(limits.tool_cpu_seconds_per_gib);
        let both = |value| Rlimit { current: Some(value), maximum: Some(value) };
        let mut set = vec![
            (Resource::As, both(limits.tool_memory_bytes)),
            // By the first one it is told so and ends, which tells it from being killed.
            (Resource::Cpu, Rlimit { current: Some(cpu), maximum: Some(cpu + 5) }),
            (Resource::Core, both(0)),
        ];
        if let Some(bytes) = call.file_bytes_max {
            set.push((Resource::Fsize, both(bytes)));
        }
        for (resource, limit) in set {
            match prlimit(Some(pid), resource, limit) {
                // It has ended already.
                Ok(_) | Err(Errno::SRCH) => {}
                Err(errno) => return Err(errno),
            }
        }
        let wall = limits.tool_wall_seconds + gib.saturating_mul(limits.tool_wall_seconds_per_gib);
        let end = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Timespec { tv_sec: i64::try_from(wall).unwrap_or(i64::MAX), tv_nsec: 0 };
        let timer = Itimerspec { it_interval: never, it_value: value };
        timerfd_settime(&end, TimerfdTimerFlags::empty(), &timer)?;
        self.end = Some(end);
        Ok(())
    }

    /// Until it has ended and said all.
    fn hear(&mut self, call: &Call<'_>, watch: &dyn Watch) -> Result<(Vec<u8>, Vec<u8>), Failed> {
        let broken = |errno: Errno| tool(call, &errno.to_string());
        let pid = self.child.pid().map_err(broken)?;
        let ended = pidfd_open(pid, PidfdFlags::empty()).map_err(broken)?;
        let mut progress = Progress::default();
        let (mut output, mut complaint) = (Vec::new(), Vec::new());
        let (mut out, mut err) = (self.child.0.stdout.take(), self.child.0.stderr.take());
        let mut gone = false;
        while !gone || out.is_some() || err.is_some() {
            let ready = self.wait(&ended, gone, (&out, &err)).map_err(broken)?;
            if ready.over {
                return Err(limit(call, "time"));
            }
            if ready.out {
                let heard = read(&mut out);
                if call.tells {
                    if let Some(told) = progress.hear(&heard) {
                        let done =
                            u128::from(call.virtual_bytes) * u128::from(told) / u128::from(WHOLE);
                        watch.is(u64::try_from(done).unwrap_or(u64::MAX), Some(call.virtual_bytes));
                    }
                } else {
                    keep(&mut output, &heard);
                }
            }
            if ready.err {
                let heard = read(&mut err);
                keep(&mut complaint, &heard);
            }
            gone |= ready.gone;
            if !gone && watch.is_cancelled() {
                return Err(Failed::Cancelled);
            }
        }
        Ok((output, complaint))
    }

    fn wait(
        &self,
        ended: &OwnedFd,
        gone: bool,
        (out, err): (&Option<impl std::os::fd::AsFd>, &Option<impl std::os::fd::AsFd>),
    ) -> Result<Ready, Errno> {
        let mut fds = Vec::with_capacity(4);
        let places: [Option<std::os::fd::BorrowedFd<'_>>; 4] = [
            out.as_ref().map(|it| it.as_fd()),
            err.as_ref().map(|it| it.as_fd()),
            (!gone).then(|| ended.as_fd()),
            self.end.as_ref().map(|it| it.as_fd()),
        ];
        for place in places.into_iter().flatten() {
            fds.push(PollFd::from_borrowed_fd(place, PollFlags::IN));
        }
        match poll(&mut fds, Some(&LOOK)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        let mut heard = fds.iter().map(|fd| !fd.revents().is_empty());
        let [out, err, gone, over] =
            places.map(|place| place.is_some() && heard.next().unwrap_or(false));
        Ok(Ready { out, err, gone, over })
    }
}

struct Ready {
    out: bool,
    err: bool,
    gone: bool,
    over: bool,
}

/// What there is to read now. At its end the pipe is given up.
fn read(from: &mut Option<impl std::io::Read>) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    let read = from.as_mut().map_or(Ok(0), |pipe| pipe.read(&mut bytes));
    let read = read.unwrap_or(0);
    if read == 0 {
        *from = None;
    }
    bytes.truncate(read);
    bytes
}

fn keep(kept: &mut Vec<u8>, more: &[u8]) {
    let room = OUTPUT_BYTES_MAX - kept.len();
    kept.extend_from_slice(&more[..more.len().min(room)]);
}

fn tool(call: &Call<'_>, detail: &str) -> Failed {
    Failed::Tool { verb: call.verb, detail: detail.to_owned() }
}

fn limit(call: &Call<'_>, what: &'static str) -> Failed {
    Failed::ToolLimit { verb: call.verb, what }
}

fn why(call: &Call<'_>, status: ExitStatus, complaint: &[u8]) -> Failed {
    match status.signal().map(Signal::from_named_raw) {
        Some(Some(Signal::XCPU)) => return limit(call, "processor time"),
        Some(Some(Signal::XFSZ)) => return limit(call, "room in its file"),
        Some(Some(Signal::KILL)) => return tool(call, "it was killed"),
        Some(_) => return tool(call, &format!("it ended by {status}")),
        None => {}
    }
    let said = one_line(complaint);
    let has = |words: &str| said.contains(words);
    if has("No space left on device") || has("Disk quota exceeded") {
        let path = call.writes.unwrap_or(std::path::Path::new("")).to_owned();
        // How much was needed is known to whoever asked.
        return Failed::NoSpace { path, free_mib: 0, needed_mib: 0 };
    }
    if has("Failed to get") && has("lock") {
        return Failed::InUse(call.writes.unwrap_or(std::path::Path::new("")).to_owned());
    }
    if has("File too large") {
        return limit(call, "room in its file");
    }
    if has("Cannot allocate memory") || has("failed to allocate") {
        return limit(call, "memory");
    }
    tool(call, &said)
}

/// Bounded, with nothing in it that would begin another line.
fn one_line(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let clean = text.trim().chars().map(|it| if it.is_control() { ' ' } else { it });
    let line: String = clean.take(DETAIL_CHARS_MAX).collect();
    if line.is_empty() { "it failed without a word".to_owned() } else { line }
}
