//! A page of PHP over MariaDB that asks what KVM-VDI asks (loadtest/peers/kvm-vdi), as it is
//! served: nginx, PHP-FPM with its opcache, and the database on a socket. All are processes of this
//! one, in a directory of their own.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::SET_COOKIE;

use super::http::{As, Connection};
use crate::place::Place;
use crate::{Failure, clock, load, say};

const PAGE: &str = include_str!("../../peers/kvm-vdi/pools.php");
const TABLES: &str = include_str!("../../peers/kvm-vdi/vdi.sql");
const FPM: &str = "php-fpm8.2";
const ROOT_GROUP: &str = "root";
/// For each core, so that one can wait for the database while another computes.
const CHILDREN_OF_CORE: usize = 8;
const STARTED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(super) struct Php {
    database: Child,
    fpm: Child,
    nginx: Child,
    pub(super) address: SocketAddr,
}

impl Php {
    /// Nothing, if it is not installed.
    pub(super) fn start(place: &Place) -> Result<Option<Self>, Failure> {
        for program in ["/usr/sbin/mariadbd", "/usr/sbin/php-fpm8.2", "/usr/sbin/nginx"] {
            if !Path::new(program).exists() {
                say(
                    "no page of PHP to measure against: apt-get install mariadb-server nginx php-fpm php-mysql",
                );
                return Ok(None);
            }
        }
        let dir = place.for_servers()?.join("php");
        fs::create_dir_all(&dir)?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755))?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let database = database(&dir)?;
        write_settings(&dir, address)?;
        let fpm = Command::new(FPM)
            .args(["--nodaemonize", "--allow-to-run-as-root", "--fpm-config"])
            .arg(dir.join("fpm.conf"))
            .stderr(Stdio::null())
            .spawn()?;
        let nginx = Command::new("nginx")
            .arg("-c")
            .arg(dir.join("nginx.conf"))
            .arg("-p")
            .arg(&dir)
            .spawn()?;
        until(|| dir.join("fpm.sock").exists() && std::net::TcpStream::connect(address).is_ok())?;
        Ok(Some(Self { database, fpm, nginx, address }))
    }

    /// So many people who have signed in.
    pub(super) async fn sessions(&self, count: usize) -> Result<Vec<As>, Failure> {
        let mut sessions = Vec::new();
        for number in 1..=count {
            let mut nobody = Connection::open(self.address, As::Nobody).await?;
            let answer = nobody.get(&format!("/pools.php?as={number}")).await?;
            let answer = answer.must_be(StatusCode::OK)?;
            let pools = answer.json()?.as_array().map_or(0, Vec::len);
            if pools != super::lookup::POOLS_OF_CLIENT {
                return Err(format!("the page shows {pools} pools").into());
            }
            let cookie = answer.headers.get(SET_COOKIE).ok_or("no session")?.to_str()?;
            let cookie = cookie.split(';').next().unwrap_or(cookie);
            sessions.push(As::Cookie(cookie.to_owned()));
        }
        Ok(sessions)
    }

    /// Of the one that uses most; what the others take is not counted.
    pub(super) fn pid(&self) -> u32 {
        self.fpm.id()
    }
}

impl Drop for Php {
    fn drop(&mut self) {
        for child in [&mut self.nginx, &mut self.fpm, &mut self.database] {
            let pid = rustix::process::Pid::from_child(child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = child.wait();
        }
    }
}

fn database(dir: &Path) -> Result<Child, Failure> {
    let (data, socket) = (dir.join("database"), dir.join("database.sock"));
    run(Command::new("mariadb-install-db")
        .args(["--user=root", "--auth-root-authentication-method=normal", "--skip-test-db"])
        .arg(format!("--datadir={}", data.display())))?;
    let child = Command::new("mariadbd")
        .args([
            "--no-defaults",
            "--user=root",
            "--skip-networking",
            "--innodb-buffer-pool-size=512M",
        ])
        .arg(format!("--datadir={}", data.display()))
        .arg(format!("--socket={}", socket.display()))
        .stderr(Stdio::null())
        .spawn()?;
    let asks = || -> Command {
        let mut asks = Command::new("mariadb");
        asks.arg("--no-defaults").arg(format!("--socket={}", socket.display())).arg("--user=root");
        asks.stdout(Stdio::null()).stderr(Stdio::null());
        asks
    };
    until(|| asks().args(["--execute", "SELECT 1"]).status().is_ok_and(|it| it.success()))?;
    run(asks().args(["--execute", TABLES]))?;
    Ok(child)
}

fn write_settings(dir: &Path, address: SocketAddr) -> Result<(), Failure> {
    let (at, children) = (dir.display(), CHILDREN_OF_CORE * load::cores());
    let sessions = dir.join("sessions");
    fs::create_dir_all(&sessions)?;
    fs::write(dir.join("pools.php"), PAGE)?;
    fs::write(
        dir.join("fpm.conf"),
        format!(
            "[global]\nerror_log = {at}/fpm.log\n[www]\nuser = root\ngroup = {ROOT_GROUP}\n\
             listen = {at}/fpm.sock\npm = static\npm.max_children = {children}\n\
             env[VDI_SOCKET] = {at}/database.sock\n\
             php_admin_value[session.save_path] = {at}/sessions\n\
             php_admin_value[opcache.enable] = 1\n"
        ),
    )?;
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|it| format!("{it}_temp_path {at}/{it};"))
        .join("\n");
    fs::write(
        dir.join("nginx.conf"),
        format!(
            "daemon off;\nuser root;\nworker_processes auto;\npid {at}/nginx.pid;\n\
             error_log {at}/nginx.log;\nevents {{ worker_connections 1024; }}\n\
             http {{\naccess_log off;\nkeepalive_requests 1000000;\n{temporary}\n\
             server {{\nlisten {address};\nroot {at};\nlocation ~ \\.php$ {{\n\
             include /etc/nginx/fastcgi_params;\n\
             fastcgi_param SCRIPT_FILENAME {at}$fastcgi_script_name;\n\
             fastcgi_pass unix:{at}/fpm.sock;\n}}\n}}\n}}\n"
        ),
    )?;
    Ok(())
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let program = PathBuf::from(command.get_program());
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {said}", program.display()).into())
}

fn until(mut is_so: impl FnMut() -> bool) -> Result<(), Failure> {
    let begun = clock::now();
    while !is_so() {
        if clock::now() - begun > STARTED_WITHIN {
            return Err("a server of the page of PHP does not start".into());
        }
        clock::pause(LOOK_AGAIN);
    }
    Ok(())
}
