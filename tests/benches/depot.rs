//! depot.rs - how fast pkg.depotd hands out payloads, beside nginx with the same bytes.
//!
//! Run: `cargo build --release -p pkg-server && cargo bench -p tests --bench depot`
//! `BENCH_SECONDS` is how long each row is measured (3).
//!
//! One generator, 32 connections, one request at a time on each; 200 files of 16 KB in the mean, in
//! random order by a seed, then one file of 1 MiB.  Prints requests and bytes by second, the
//! server's CPU by request (of all its threads, as the kernel counts it), the latency that 99 of
//! 100 requests stay under, and resident memory.  nginx has one worker, sendfile and
//! open_file_cache, and so has one worker the depot it is compared with.  Asserts nothing of time.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dice::Dice;

const CONNECTIONS: usize = 32;
const FILES: usize = 200;
const MEAN: f64 = 16_384.0;
const LARGE: usize = 1 << 20;
const PUBLISHER: &str = "bench.example";

/// Exponentially distributed around 1.
fn exponential(numbers: &mut Dice) -> f64 {
    -numbers.fraction().ln()
}

/// Writes a repository by hand: what is in its payloads is nobody's business here.  The names, the
/// large one last.
fn repository(place: &Path) -> Vec<String> {
    let mut numbers = Dice(16);
    let raw: Vec<f64> = (0..FILES).map(|_| exponential(&mut numbers)).collect();
    let scale = MEAN * FILES as f64 / raw.iter().sum::<f64>();
    let sizes = raw.iter().map(|size| (size * scale) as usize).chain([LARGE]);
    let mut names = Vec::new();
    for size in sizes {
        let name = format!("{:016x}{:016x}{:08x}", numbers.roll(), numbers.roll(), size);
        let folder = place.join("publisher").join(PUBLISHER).join("file").join(&name[..2]);
        fs::create_dir_all(&folder).unwrap();
        let content: Vec<u8> =
            (0..size.div_ceil(8)).flat_map(|_| numbers.roll().to_le_bytes()).take(size).collect();
        fs::write(folder.join(&name), content).unwrap();
        names.push(name);
    }
    fs::write(place.join("pkg5.repository"), "[repository]\nversion = 4\n").unwrap();
    names
}

/// A server under test; gone with this.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn depot(program: &Path, repository: &Path, options: &[&str]) -> Server {
        let mut child = Command::new(program)
            .args(["--readonly", "-a", "127.0.0.1", "-p", "0", "--log-errors", "none", "-d"])
            .arg(repository)
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().trim_end_matches('/').rsplit(':').next().unwrap();
        Server { port: port.parse().unwrap(), child }
    }

    /// nginx, where the host has it.
    fn nginx(place: &Path, repository: &Path) -> Option<Server> {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&folders).chain([PathBuf::from("/usr/sbin")]);
        let program = folders.map(|folder| folder.join("nginx")).find(|path| path.is_file())?;
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let own = place.join("nginx");
        fs::create_dir_all(&own).unwrap();
        let root = repository.join("publisher").join(PUBLISHER);
        let text = format!(
            "daemon off; master_process off; worker_processes 1; pid {own}/pid;\n\
             error_log {own}/errors crit;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;\n\
             open_file_cache max=1000; open_file_cache_valid 60s;\n\
             default_type application/data;\n\
             client_body_temp_path {own}/b; proxy_temp_path {own}/p; fastcgi_temp_path {own}/f;\n\
             uwsgi_temp_path {own}/u; scgi_temp_path {own}/s;\n\
             server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n",
            own = own.display(),
            root = root.display(),
        );
        let configuration = own.join("conf");
        fs::write(&configuration, text).unwrap();
        let child = Command::new(program).arg("-c").arg(&configuration).spawn().unwrap();
        let server = Server { child, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "nginx does not listen");
            std::thread::yield_now();
        }
        Some(server)
    }

    /// The CPU time of all threads, in seconds.
    fn cpu(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let spent = |task: fs::DirEntry| -> Option<u64> {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse().ok()
        };
        tasks.filter_map(|task| spent(task.ok()?)).sum::<u64>() as f64 / 1e9
    }

    /// The most memory that was resident, in MB.
    fn resident(&self) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }
}

/// A connection of the generator.
struct Client {
    stream: TcpStream,
    asked: Instant,
    /// How much of the answer is still to come; none: the head is not whole yet.
    left: Option<usize>,
    head: Vec<u8>,
}

impl Client {
    fn ask(&mut self, request: &[u8]) {
        // A request fits into any socket's buffer.
        self.stream.write_all(request).unwrap();
        (self.asked, self.left) = (Instant::now(), None);
    }

    /// Takes bytes of the answer; whether it is whole.
    fn take(&mut self, bytes: &[u8]) -> bool {
        if let Some(left) = &mut self.left {
            *left -= bytes.len();
            return *left == 0;
        }
        self.head.extend_from_slice(bytes);
        let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else {
            return false;
        };
        let head = std::str::from_utf8(&self.head[..end]).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
        });
        let left = end + 4 + length.unwrap().unwrap() - self.head.len();
        self.head.clear();
        self.left = Some(left);
        left == 0
    }
}

/// What was measured.
struct Measured {
    requests: f64,
    bytes: f64,
    cpu: f64,
    p99: f64,
    resident: f64,
}

/// Asks for `paths` in random order for a while.
fn measure(server: &Server, paths: &[String], seconds: f64) -> Measured {
    let requests: Vec<Vec<u8>> = paths
        .iter()
        .map(|path| format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n").into_bytes())
        .collect();
    let mut numbers = Dice(7);
    let mut pick = || &requests[numbers.roll() as usize % requests.len()][..];
    // SAFETY: takes no pointer; the descriptor is closed with the process.
    let epoll = unsafe { libc::epoll_create1(0) };
    let mut clients: Vec<Client> = (0..CONNECTIONS)
        .map(|number| {
            let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_nonblocking(true).unwrap();
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number as u64 };
            // SAFETY: both descriptors are open; the event lives through the call.
            let added = unsafe {
                libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, stream.as_raw_fd(), &mut event)
            };
            assert_eq!(added, 0);
            Client { stream, asked: Instant::now(), left: None, head: Vec::new() }
        })
        .collect();
    let mut buffer = vec![0; 256 * 1024];
    let mut ready: VecDeque<usize> = VecDeque::new();
    let (mut count, mut bytes, mut latencies) = (0u64, 0u64, Vec::new());
    let warm = Instant::now();
    let (mut begun, mut used) = (None, 0.0);
    for client in &mut clients {
        client.ask(pick());
    }
    loop {
        let now = Instant::now();
        if begun.is_none() && now - warm > Duration::from_millis(300) {
            (begun, used) = (Some(now), server.cpu());
            (count, bytes) = (0, 0);
            latencies.clear();
        }
        if begun.is_some_and(|begun| (now - begun).as_secs_f64() >= seconds) {
            break;
        }
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; CONNECTIONS];
        // SAFETY: the array outlives the call and its length is the one given.
        let found =
            unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), CONNECTIONS as i32, 1_000) };
        ready.extend(events[..found.max(0) as usize].iter().map(|event| event.u64 as usize));
        while let Some(number) = ready.pop_front() {
            let client = &mut clients[number];
            match client.stream.read(&mut buffer) {
                Ok(0) => panic!("the server hung up"),
                Ok(length) => {
                    bytes += length as u64;
                    if client.take(&buffer[..length]) {
                        latencies.push(client.asked.elapsed());
                        count += 1;
                        client.ask(pick());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    let elapsed = begun.unwrap().elapsed().as_secs_f64();
    let cpu = (server.cpu() - used) / count as f64 * 1e6;
    // SAFETY: the descriptor is ours and not used again.
    unsafe { libc::close(epoll) };
    latencies.sort();
    let p99 = latencies[latencies.len() * 99 / 100].as_secs_f64() * 1e3;
    let (requests, bytes) = (count as f64 / elapsed, bytes as f64 / elapsed / 1e9);
    Measured { requests, bytes, cpu, p99, resident: server.resident() }
}

fn main() {
    let place = tempfile::Builder::new().prefix("depot-bench").tempdir().unwrap();
    let repo = place.path().join("repo");
    fs::create_dir(&repo).unwrap();
    let names = repository(&repo);
    let seconds: f64 =
        std::env::var("BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3.0);
    let built = std::env::current_exe().unwrap();
    let program = built.ancestors().nth(2).expect("a bench is in TARGET/release/deps");
    let program = program.join("pkg-depotd");
    let ours = |name: &String| format!("/file/1/{name}");
    let theirs = |name: &String| format!("/file/{}/{name}", &name[..2]);
    println!(
        "{:<34} {:>10} {:>7} {:>10} {:>8} {:>7}",
        "", "requests/s", "GB/s", "CPU us/req", "p99 ms", "RSS MB"
    );
    for (what, range) in [("200 files of 16 KB", 0..FILES), ("one of 1 MiB", FILES..FILES + 1)] {
        let row = |who: &str, server: &Server, path: &dyn Fn(&String) -> String| {
            let paths: Vec<String> = names[range.clone()].iter().map(path).collect();
            let m = measure(server, &paths, seconds);
            let who = format!("{what}, {who}");
            println!(
                "{who:<34} {:>10.0} {:>7.2} {:>10.2} {:>8.3} {:>7.1}",
                m.requests, m.bytes, m.cpu, m.p99, m.resident
            );
            m
        };
        let one = row("one worker", &Server::depot(&program, &repo, &["-s", "1"]), &ours);
        match Server::nginx(place.path(), &repo) {
            Some(nginx) => {
                let nginx = row("nginx", &nginx, &theirs);
                println!(
                    "{:<34} {:>10.2} {:>7.2} {:>10.2}   (goal: 0.8 at least, each)",
                    "  of nginx's",
                    one.requests / nginx.requests,
                    one.bytes / nginx.bytes,
                    nginx.cpu / one.cpu,
                );
            }
            None => println!("  nginx is not installed; there is nothing to compare with"),
        }
        row("default", &Server::depot(&program, &repo, &[]), &ours);
    }
}
