//! What a tool may take, and what it is started with.

use std::fs;

use carrel_images::{Hope, Images, Limits, Tools, Unwatched};

use crate::site::{MIB, Site, run, text};

fn limited(site: &mut Site, limits: Limits) {
    let tools = Tools { qemu_img: site.path("tool"), ..Tools::default() };
    site.images = Images::new(tools, limits);
}

#[test]
fn it_gets_nothing_but_what_it_needs() {
    let site = Site::with_tool(
        "d=$(dirname $0)\nenv > $d/calls.env; ulimit -a > $d/calls.limits; \
         readlink /proc/self/fd/0 > $d/calls.stdin; ls /proc/$$/fd > $d/calls.fds; \
         grep NoNewPrivs /proc/self/status > $d/calls.rights; exit 1",
    );
    let disk = site.written("disk.qcow2", 4, None);
    let failed = site.images.copy(&disk, &site.disk("to.qcow2"), &Unwatched).unwrap_err();
    assert_eq!((failed.code(), failed.hope()), ("tool_failed", Hope::Again));
    let read = |name: &str| fs::read_to_string(site.path(name)).unwrap();
    let environment = read("calls.env");
    let mut names: Vec<&str> =
        environment.lines().filter_map(|line| line.split_once('=').map(|it| it.0)).collect();
    names.retain(|name| !matches!(*name, "PWD" | "_" | "SHLVL" | "OLDPWD"));
    names.sort_unstable();
    assert_eq!(names, ["LC_ALL", "MALLOC_ARENA_MAX", "PATH"]);
    let limits = read("calls.limits");
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    };
    let told = Limits::default();
    assert_eq!(limit("coredump"), "0");
    assert_eq!(limit("time"), (told.tool_cpu_seconds + told.tool_cpu_seconds_per_gib).to_string());
    assert_eq!(limit("vmemory"), (told.tool_memory_bytes / 1024).to_string());
    assert_ne!(limit("file"), "unlimited");
    assert_eq!(read("calls.stdin").trim(), "/dev/null");
    // Its script is open besides.
    assert_eq!(read("calls.fds").lines().filter(|fd| fd.len() == 1).count(), 3);
    assert!(read("calls.rights").contains('1'));
}

#[test]
fn too_much_time_of_either_kind_ends_it() {
    for (then, limits, what) in [
        (
            "while :; do :; done",
            Limits { tool_cpu_seconds: 1, tool_cpu_seconds_per_gib: 0, ..Limits::default() },
            "processor time",
        ),
        (
            "exec sleep 1000",
            Limits { tool_wall_seconds: 1, tool_wall_seconds_per_gib: 0, ..Limits::default() },
            "time",
        ),
        // What it has started and left behind holds the pipes open.
        (
            "sleep 1000 & exit 0",
            Limits { tool_wall_seconds: 1, tool_wall_seconds_per_gib: 0, ..Limits::default() },
            "time",
        ),
    ] {
        let mut site = Site::with_tool(then);
        let disk = site.written("disk.qcow2", 4, None);
        limited(&mut site, limits);
        let failed = site.images.copy(&disk, &site.disk("to.qcow2"), &Unwatched).unwrap_err();
        assert_eq!((failed.code(), failed.hope()), ("tool_limit", Hope::Never), "{failed}");
        assert!(failed.to_string().contains(&format!("more {what} than")), "{failed}");
        assert_eq!(site.names(), ["disk.qcow2"]);
    }
}

#[test]
fn a_file_that_becomes_too_large_ends_it() {
    let site = Site::with_tool("for to; do :; done; exec head -c 200000000 /dev/zero > $to");
    let disk = site.written("disk.qcow2", 4, None);
    let failed = site.images.copy(&disk, &site.disk("to.qcow2"), &Unwatched).unwrap_err();
    assert_eq!(failed.code(), "tool_limit", "{failed}");
    assert_eq!(site.names(), ["disk.qcow2"]);
}

#[test]
fn the_real_tool_has_enough_memory_and_a_little_is_too_little() {
    let mut site = Site::new();
    let disk = site.written("disk.qcow2", 64, None);
    let set = |bytes| Limits { tool_memory_bytes: bytes, ..Limits::default() };
    site.images = Images::new(Tools::default(), set(20 << 20));
    assert!(site.images.copy(&disk, &site.disk("to.qcow2"), &Unwatched).is_err());
    assert_eq!(site.names(), ["disk.qcow2"]);
    site.images = Images::new(Tools::default(), set(1 << 30));
    site.images.copy(&disk, &site.disk("to.qcow2"), &Unwatched).unwrap();
}

#[test]
fn what_it_says_is_kept_short_and_in_one_line() {
    let site =
        Site::with_tool("yes 'bad\tthings' | head -c 9000000 >&2; yes | head -c 9000000; exit 7");
    let disk = site.written("disk.qcow2", 4, None);
    let failed = site.images.copy(&disk, &site.disk("to.qcow2"), &Unwatched).unwrap_err();
    let told = failed.to_string();
    assert!(told.contains("bad things bad things") && told.len() < 400, "{told}");
}

#[test]
fn a_tool_that_lies_about_its_end_makes_no_file() {
    for then in ["exit 0", "for to; do :; done; echo x > $to; exit 0"] {
        let site = Site::with_tool(then);
        let disk = site.written("disk.qcow2", 4, None);
        site.images.copy(&disk, &site.disk("to.qcow2"), &Unwatched).unwrap_err();
        assert_eq!(site.names(), ["disk.qcow2"]);
    }
}

#[test]
fn without_a_tool_it_says_so() {
    let mut site = Site::new();
    let disk = site.written("disk.qcow2", 4, None);
    for tools in [
        Tools { qemu_img: "/no/qemu-img".into(), ..Tools::default() },
        Tools { setpriv: "/no/setpriv".into(), ..Tools::default() },
    ] {
        site.images = Images::new(tools, Limits::default());
        let failed = site.images.copy(&disk, &site.disk("to.qcow2"), &Unwatched).unwrap_err();
        assert!(failed.to_string().contains("No such file"), "{failed}");
        assert_eq!(site.names(), ["disk.qcow2"]);
    }
}

/// A large process is not copied to start a small one: std must take the way that shares memory.
#[test]
fn it_is_started_without_a_fork() {
    let site = Site::new();
    let disk = site.written("disk.qcow2", 4, None);
    let (from, to, trace) = (text(&disk.path), site.path("to.qcow2"), site.path("trace"));
    let own = std::env::current_exe().unwrap();
    let test = ["killed::the_child_takes_a_step", "--exact", "--ignored", "--nocapture"];
    let step = format!("STEP=copy {from} {}", text(&to));
    let calls = "trace=clone,clone3,fork,vfork";
    let mut words = vec!["-f", "-o", text(&trace), "-e", calls, "-E", &step, text(&own)];
    words.extend(test);
    run("strace", &words);
    assert!(to.exists());
    let trace = fs::read_to_string(trace).unwrap();
    let starts: Vec<&str> = trace.lines().filter(|line| !line.contains("CLONE_THREAD")).collect();
    let starts: Vec<&str> = starts.into_iter().filter(|line| line.contains('(')).collect();
    assert!(!starts.is_empty());
    assert!(starts.iter().all(|line| line.contains("CLONE_VFORK")), "{starts:?}");
    assert_eq!(disk.path.metadata().unwrap().len() % MIB % 512, 0);
}
