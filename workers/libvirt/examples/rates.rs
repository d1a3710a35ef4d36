//! How fast domains are defined and started here, how fast they are cut off, and what it costs to
//! watch them. Beside it the same by virsh, as many at once.
//!
//! `cargo run --release --package carrel-libvirt --example rates [DOMAINS]`, by root: it starts a
//! libvirtd of its own.

#![expect(clippy::expect_used, reason = "what a measurement needs is there, or it ends")]
#![expect(clippy::print_stdout, reason = "it says what it has measured")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use carrel_domain::Domain;
use carrel_libvirt::{Happened, Hint, Host};

use support::guest::{Does, guest};
use support::lab::{Lab, lab, target};

#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "tests use the rest")]
mod support;

const DOMAINS: u64 = 150;
/// Those that are started again and again.
const SOME: usize = 30;
const ROUNDS: usize = 2;
const LISTINGS: u32 = 400;
const MYSELF: &str = "/proc/self";
/// So often a host is looked at when nothing happens.
const LISTED_EACH: Duration = Duration::from_secs(2);
const WORKERS: usize = 10;
const TICKS_PER_SECOND: f64 = 100.0;

fn main() {
    let many = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(DOMAINS);
    let lab = lab();
    let host = lab.host();
    let domains: Vec<Domain> =
        (1..=many).map(|number| small(guest(&lab, number, Does::Wait))).collect();
    let some = &domains[..domains.len().min(SOME)];
    // The first start of all finds out what QEMU can do.
    start_by_virsh(&lab, &domains[..1]);
    cut_off(&host, &domains[..1]);

    for _ in 0..ROUNDS {
        say("by virsh: defined and started", some.len(), || start_by_virsh(&lab, some));
        say("by virsh: cut off", some.len(), || cut_off_by_virsh(&lab, some));
        let before = ticks(Path::new(MYSELF));
        say("defined and started", some.len(), || start(&host, some));
        let ours = seconds(ticks(Path::new(MYSELF)) - before) / count(some.len());
        println!("  of that our own CPU: {:.2} ms each", ours * 1000.0);
        say("cut off", some.len(), || cut_off(&host, some));
    }
    say("defined and started", domains.len(), || start(&host, &domains));
    watch_cost(&host, &lab, domains.len());
    seen_after(&host, &domains);
}

fn start(host: &Host, domains: &[Domain]) {
    each(domains, |domain| {
        host.define(domain).expect("defined");
        host.start_paused(target(domain), 1).expect("started");
    });
}

fn start_by_virsh(lab: &Lab, domains: &[Domain]) {
    each(domains, |domain| {
        let file = lab.folder().join(format!("{}.xml", domain.name));
        fs::write(&file, domain.render()).expect("written");
        lab.virsh(&["define", file.to_str().expect("UTF-8")]);
        lab.virsh(&["start", "--paused", domain.name.as_str()]);
    });
}

fn cut_off(host: &Host, domains: &[Domain]) {
    each(domains, |domain| {
        host.destroy(target(domain)).expect("cut");
    });
}

fn cut_off_by_virsh(lab: &Lab, domains: &[Domain]) {
    each(domains, |domain| {
        lab.virsh(&["destroy", domain.name.as_str()]);
    });
}

fn small(mut domain: Domain) -> Domain {
    domain.memory_mib = 16;
    domain
}

fn each(domains: &[Domain], work: impl Fn(&Domain) + Sync) {
    let queue: Mutex<VecDeque<&Domain>> = Mutex::new(domains.iter().collect());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(domain) = { queue.lock().expect("no panic").pop_front() } {
                    work(domain);
                }
            });
        }
    });
}

fn watch_cost(host: &Host, lab: &Lab, many: usize) {
    host.list().expect("listed");
    let (mine, theirs, begun) = (ticks(Path::new(MYSELF)), libvirtd_ticks(lab), Instant::now());
    for _ in 0..LISTINGS {
        assert_eq!(host.list().expect("listed").domains.len(), many);
    }
    let each = begun.elapsed().as_secs_f64() / f64::from(LISTINGS);
    let share =
        |ticks: u64| seconds(ticks) / f64::from(LISTINGS) / LISTED_EACH.as_secs_f64() * 100.0;
    println!("a listing of {many}: {:.2} ms", each * 1000.0);
    println!(
        "  one each {} s: {:.3} % of a core here, {:.3} % in libvirtd",
        LISTED_EACH.as_secs(),
        share(ticks(Path::new(MYSELF)) - mine),
        share(libvirtd_ticks(lab) - theirs),
    );
}

/// From the end of a QEMU to the hint of it.
fn seen_after(host: &Arc<Host>, domains: &[Domain]) {
    let Some(domain) = domains.last() else { return };
    let watch = host.watch().expect("watched");
    while watch.next(Duration::from_secs(10)) != Some(Hint::All) {}
    host.resume(target(domain)).expect("it runs");
    let begun = Instant::now();
    host.destroy(target(domain)).expect("cut");
    let cut = begun.elapsed();
    let stopped = Hint::Domain(domain.uuid, Happened::Stopped);
    while watch.next(Duration::from_secs(10)) != Some(stopped.clone()) {}
    println!("one is cut off in {cut:.2?}, and heard of after {:.2?}", begun.elapsed());
}

/// How long a process has computed, by itself and for its calls.
fn ticks(process: &Path) -> u64 {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let fields = after_name.split(' ').skip(11).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// From outside, the lab's libvirtd is the one in its network.
fn libvirtd_ticks(lab: &Lab) -> u64 {
    let network = |process: &Path| fs::read_link(process.join("ns/net")).ok();
    let ours = network(&lab.first_process());
    let processes = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path());
    let is_it = |process: &PathBuf| {
        fs::read_to_string(process.join("comm")).is_ok_and(|name| name == "libvirtd\n")
            && network(process) == ours
    };
    processes.filter(is_it).map(|process| ticks(&process)).sum()
}

fn say(what: &str, many: usize, work: impl FnOnce()) {
    let begun = Instant::now();
    work();
    let took = begun.elapsed().as_secs_f64();
    println!("{what}: {many} in {took:.2} s, {:.1} a second", count(many) / took);
}

fn count(many: usize) -> f64 {
    f64::from(u32::try_from(many).unwrap_or(u32::MAX))
}

fn seconds(ticks: u64) -> f64 {
    f64::from(u32::try_from(ticks).unwrap_or(u32::MAX)) / TICKS_PER_SECOND
}
