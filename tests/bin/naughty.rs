//! The naughty service: a small program that tests start as a service, and that misbehaves on demand.
//!
//! `naughty MODE PORT [MORE…]`. PORT 0 takes what the kernel gives; the first line on stdout is `listening on ADDRESS`,
//! printed once it listens (`helper on …` for the mode `http-helper`). Every server is on 127.0.0.1 unless
//! `NAUGHTY_HOST` says otherwise, and shares its port with others that do so too if `NAUGHTY_SHARES` is set.
//!
//! | mode | what it does |
//! |---|---|
//! | `http PORT [STATUS] [DELAY_MS]` | binds after the delay, answers every request with the status |
//! | `http-helper PORT [STATUS]` | starts itself as `http` and waits: the socket is a child's |
//! | `ready-after PORT COUNT` | answers 503 to the first COUNT requests, then 200 |
//! | `slow PORT DELAY_MS` | answers every request with 200, each after the delay |
//! | `hang PORT` | accepts and never answers |
//! | `hang-up PORT` | accepts and closes |
//! | `garbage PORT` | answers in no known protocol |
//! | `redirect PORT URL` | answers 302 to URL |
//! | `endless-head PORT` | sends headers for ever |
//! | `slow-head PORT` | sends a head letter by letter, for ever |
//! | `slow-body PORT` | answers 200 with a body that stalls |
//! | `huge-body PORT` | answers 200 with a body that never ends |
//! | `exit CODE [DELAY_MS]` | ends by itself |
//! | `runner` | ignores SIGTERM, and has a child that forks and ends, whose child forks and ends, and so on, each in a session of its own |
//! | `recluse` | has a child that clears its environment, leaves its parent and its session |
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a test program does what the project must not")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |at: usize| args.get(at).map_or("", String::as_str);
    let number = |at: usize, default: u64| arg(at).parse().unwrap_or(default);
    match arg(0) {
        "http" => {
            std::thread::sleep(Duration::from_millis(number(3, 0)));
            serve(arg(1), |stream, _| answer(stream, number(2, 200), "ok\n"))
        }
        "http-helper" => help(arg(1), &number(2, 200).to_string()),
        "ready-after" => {
            serve(arg(1), |stream, before| answer(stream, if before < number(2, 1) { 503 } else { 200 }, ""))
        }
        "slow" => serve(arg(1), |stream, _| {
            std::thread::sleep(Duration::from_millis(number(2, 0)));
            answer(stream, 200, "ok\n");
        }),
        "hang" => serve(arg(1), |stream, _| hold(stream)),
        "hang-up" => serve(arg(1), |_, _| {}),
        "garbage" => serve(arg(1), |mut stream, _| drop(stream.write_all(b"SSH-2.0-not-http\r\n\r\n"))),
        "redirect" => serve(arg(1), |stream, _| redirect(stream, arg(2))),
        "endless-head" => serve(arg(1), |stream, _| repeat(stream, "HTTP/1.1 200 OK\r\n", "x-more: more\r\n")),
        "slow-head" => serve(arg(1), |stream, _| {
            // Faster than any time limit between two letters would be.
            repeat_every(Duration::from_millis(20), stream, "HTTP/1.1 200 OK\r\nx-more: ", "x");
        }),
        "slow-body" => serve(arg(1), |mut stream, _| {
            take_request(&stream);
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"));
            hold(stream);
        }),
        "huge-body" => serve(arg(1), |stream, _| repeat(stream, "HTTP/1.1 200 OK\r\n\r\n", &"x".repeat(64 * 1024))),
        "exit" => {
            std::thread::sleep(Duration::from_millis(number(2, 0)));
            Ok(ExitCode::from(u8::try_from(number(1, 0))?))
        }
        "runner" => run_away(),
        "recluse" => retire(arg(1)),
        other => Err(format!("no mode `{other}`").into()),
    }
}

/// Forks, ends, and goes on in the child, faster than anybody can look.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the standard library has no fork")]
fn run_away() -> Outcome {
    // Should a test fail, it does not run for ever.
    let end = std::time::Instant::now() + Duration::from_secs(60);
    // SAFETY: this program has one thread.
    unsafe {
        libc::signal(libc::SIGTERM, libc::SIG_IGN);
        if libc::fork() != 0 {
            libc::pause();
        }
        loop {
            if libc::fork() > 0 || std::time::Instant::now() > end {
                libc::_exit(0);
            }
            libc::setsid();
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn run_away() -> Outcome {
    Err("only on Linux".into())
}

/// Leaves nothing by which it could be found: an orphan in a session of its own without an environment.
fn retire(stage: &str) -> Outcome {
    let again =
        |stage: &str| std::process::Command::new(std::env::current_exe()?).args(["recluse", stage]).env_clear().spawn();
    match stage {
        "" => drop(again("parent")?.wait()?),
        "parent" => {
            rustix::process::setsid()?;
            again("alone")?;
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    // Should a test fail, it does not stay for ever.
    std::thread::sleep(Duration::from_secs(120));
    Ok(ExitCode::SUCCESS)
}

/// Serves each connection in a thread of its own; `each` gets the stream and how many came before.
fn serve(port: &str, each: impl Fn(TcpStream, u64) + Sync) -> Outcome {
    let host = std::env::var("NAUGHTY_HOST").unwrap_or_else(|_| "127.0.0.1".into());
    let listener = listen(SocketAddr::new(host.parse()?, port.parse()?))?;
    println!("listening on {}", listener.local_addr()?);
    std::thread::scope(|scope| {
        for (before, stream) in (0..).zip(listener.incoming()) {
            let (stream, each) = (stream?, &each);
            scope.spawn(move || each(stream, before));
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};
    if std::env::var_os("NAUGHTY_SHARES").is_none() {
        return TcpListener::bind(address);
    }
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let shared = socket(family, SocketType::STREAM, None)?;
    sockopt::set_socket_reuseport(&shared, true)?;
    bind(&shared, &address)?;
    listen(&shared, 128)?;
    Ok(shared.into())
}

fn help(port: &str, status: &str) -> Outcome {
    let mut helper = std::process::Command::new(std::env::current_exe()?)
        .args(["http", port, status])
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    if let Some(stdout) = helper.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    println!("helper on {}", line.trim().trim_start_matches("listening on "));
    helper.wait()?;
    Ok(ExitCode::SUCCESS)
}

fn take_request(stream: &TcpStream) {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    // The body of a request is nobody's business here.
    for _ in lines.take_while(|line| !line.is_empty()) {}
}

fn answer(mut stream: TcpStream, status: u64, body: &str) {
    take_request(&stream);
    let head = format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n\r\n", body.len());
    // Who asks may have gone. The connection is kept open, as servers do.
    if stream.write_all(format!("{head}{body}").as_bytes()).is_ok() {
        hold(stream);
    }
}

fn redirect(mut stream: TcpStream, to: &str) {
    take_request(&stream);
    stream.write_all(format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n").as_bytes()).ok();
}

/// Keeps the connection until the other side closes it.
fn hold(stream: TcpStream) {
    BufReader::new(&stream).lines().map_while(Result::ok).for_each(drop);
}

/// Sends `first`, then `again` until the other side closes.
fn repeat(stream: TcpStream, first: &str, again: &str) {
    repeat_every(Duration::ZERO, stream, first, again);
}

fn repeat_every(pause: Duration, mut stream: TcpStream, first: &str, again: &str) {
    take_request(&stream);
    let mut next = first;
    while stream.write_all(next.as_bytes()).is_ok() {
        next = again;
        std::thread::sleep(pause);
    }
}
