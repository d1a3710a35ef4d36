//! The fuzzers' corpus, run once: what was found to reach deep into a reader stays tried.

use std::path::Path;

use carrel_log::fuzzing;

fn run(target: &str, read: impl Fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        read(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "the corpus is not there");
}

#[test]
fn records() {
    run("record", fuzzing::decode_record);
}

#[test]
fn chunks() {
    run("chunk", fuzzing::read_chunk);
}

#[test]
fn indexes() {
    run("index", fuzzing::read_index_file);
}

#[test]
fn exports() {
    run("export", fuzzing::read_export);
}
