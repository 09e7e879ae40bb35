//! Serves a pool's figures over HTTP: JSON for people and scripts at `/stats`, and Prometheus' text at `/metrics`.
//!
//! `cargo run --example serve_stats --features serde -- 127.0.0.1:9184`, then `curl 127.0.0.1:9184/stats`
//!
//! With `--self-test` it takes a free port, asks itself, checks the answers and ends. Only `std::net`: a service has an
//! HTTP server already, and would take the two functions `json` and `prometheus` from here.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use epoch_arena::{ArenaPool, Memory};

type Failure = Box<dyn Error + Send + Sync>;

/// A client that says or takes nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest request that is looked at.
const LONGEST_REQUEST: u64 = 8 << 10;

fn main() -> Result<(), Failure> {
    let argument = std::env::args().nth(1);
    let pool = pool()?;
    match argument.as_deref() {
        Some("--self-test") => self_test(&pool),
        address => {
            let listener = TcpListener::bind(address.unwrap_or("127.0.0.1:9184"))?;
            println!("http://{}/stats and /metrics", listener.local_addr()?);
            let ended = AtomicBool::new(false);
            std::thread::scope(|s| {
                s.spawn(|| work(&pool, &ended));
                serve(&listener, &pool, &ended)
            })
        }
    }
}

fn pool() -> Result<ArenaPool, Failure> {
    let memory = Memory::builder().budget(64 << 20).build()?;
    Ok(ArenaPool::builder().memory(memory).build()?)
}

/// A workload, so that there is something to see: a writer that advances every ten thousand keys.
fn work(pool: &ArenaPool, ended: &AtomicBool) {
    for round in 0_u64.. {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        let guard = pool.pin();
        for id in 0..10_000 {
            // Over the budget a key is left out; the next epoch has room.
            let _ = guard.alloc_concat([b"user:", &(round * 10_000 + id).to_be_bytes()]);
        }
        drop(guard);
        if let Err(refused) = pool.advance() {
            eprintln!("{refused}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Answers one client after the other, until the end. Figures are for reports: taking them walks the pool's
/// chunks, so a public server should also limit how often.
fn serve(listener: &TcpListener, pool: &ArenaPool, ended: &AtomicBool) -> Result<(), Failure> {
    for client in listener.incoming() {
        if ended.load(Ordering::Relaxed) {
            return Ok(());
        }
        if let Err(error) = client.map_err(Into::into).and_then(|c| answer(c, pool)) {
            eprintln!("a client was given up: {error}");
        }
    }
    Ok(())
}

fn answer(mut client: TcpStream, pool: &ArenaPool) -> Result<(), Failure> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(Read::by_ref(&mut client).take(LONGEST_REQUEST)).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    // The rest of the head is not needed, but the client must be able to send it.
    while lines
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    let (status, kind, body) = match request.split(' ').take(2).collect::<Vec<_>>()[..] {
        ["GET", "/stats"] => ("200 OK", "application/json", json(pool)?),
        ["GET", "/metrics"] => ("200 OK", "text/plain; version=0.0.4", prometheus(pool)),
        ["GET", _] => ("404 Not Found", "text/plain", "try /stats\n".to_owned()),
        _ => (
            "405 Method Not Allowed",
            "text/plain",
            "GET only\n".to_owned(),
        ),
    };
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(())
}

/// All figures, with who is pinned and who has a lease.
fn json(pool: &ArenaPool) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(&pool.stats())?)
}

/// The figures that one plots, and draws an alarm's line in.
fn prometheus(pool: &ArenaPool) -> String {
    let stats = pool.stats();
    let oldest = stats
        .leases
        .first()
        .map_or(0.0, |lease| lease.age().as_secs_f64());
    let lag = stats
        .pinned
        .iter()
        .map(|pinned| pinned.lag)
        .max()
        .unwrap_or(0);
    let gauges = [
        (
            "live_bytes",
            "Chunks of the live epochs.",
            stats.live as f64,
        ),
        (
            "payload_bytes",
            "Allocations in live epochs.",
            stats.payload as f64,
        ),
        (
            "retired_bytes",
            "Chunks of retired epochs.",
            stats.retired as f64,
        ),
        (
            "held_by_guards_bytes",
            "Of these, what a guard may see.",
            stats.held_by_guards.bytes as f64,
        ),
        (
            "held_by_leases_bytes",
            "Of these, what leases hold.",
            stats.held_by_leases.bytes as f64,
        ),
        (
            "memory_free_bytes",
            "Of the memory, what is ready for use.",
            stats.memory.free as f64,
        ),
        (
            "memory_reserved_bytes",
            "Blocks of the memory, all pools.",
            stats.memory.reserved as f64,
        ),
        (
            "retired_epochs",
            "Epochs retired and not reclaimed.",
            stats.retired_epochs as f64,
        ),
        (
            "pinned_lag_epochs",
            "Epochs opened since the oldest pin.",
            lag as f64,
        ),
        ("oldest_lease_seconds", "Age of the oldest lease.", oldest),
    ];
    let mut text = String::new();
    for (name, help, value) in gauges {
        text += &format!(
            "# HELP epoch_arena_{name} {help}\n# TYPE epoch_arena_{name} gauge\nepoch_arena_{name} {value}\n"
        );
    }
    text
}

/// Serves on a free port, asks, and checks the answer.
fn self_test(pool: &ArenaPool) -> Result<(), Failure> {
    let handle = pool.pin().alloc_copy(b"user:12345:profile")?;
    let lease = pool.lease(handle.epoch()).ok_or("it is live")?;
    pool.advance()?;
    pool.advance()?; // retired, and held by the lease
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, ended) = (listener.local_addr()?, AtomicBool::new(false));
    std::thread::scope(|s| {
        let server = s.spawn(|| serve(&listener, pool, &ended));
        // On a thread of its own, so that the server is told to end also where the client panics.
        let checked = s.spawn(|| check(address)).join();
        ended.store(true, Ordering::Relaxed);
        // The server looks at `ended` when a client comes.
        TcpStream::connect(address)?;
        server.join().map_err(|_| "the server panicked")??;
        checked.map_err(|_| "the client panicked")?
    })?;
    drop(lease);
    println!("served and checked");
    Ok(())
}

fn check(address: SocketAddr) -> Result<(), Failure> {
    let stats: serde_json::Value = serde_json::from_str(&get(address, "/stats", "200")?)?;
    println!("{stats:#}");
    let place = stats["leases"][0]["place"].as_str().unwrap_or_default();
    let right = stats["live_epochs"] == 2
        && stats["held_by_leases"]["epochs"] == 1
        && stats["retired"] == stats["held_by_leases"]["bytes"]
        && stats["memory"]["budget"] == 64 << 20
        && place.contains("serve_stats.rs");
    let metrics = get(address, "/metrics", "200")?;
    let plotted = metrics.contains("\nepoch_arena_retired_epochs 1\n");
    get(address, "/else", "404")?;
    (right && plotted)
        .then_some(())
        .ok_or_else(|| format!("wrong: {stats:#}\n{metrics}").into())
}

fn get(address: SocketAddr, path: &str, status: &str) -> Result<String, Failure> {
    let mut server = TcpStream::connect(address)?;
    server.set_read_timeout(Some(PATIENCE))?;
    write!(server, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let mut text = String::new();
    server.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or("no end of the head")?;
    if !head.starts_with(&format!("HTTP/1.1 {status} ")) {
        return Err(format!("{path}: {head}").into());
    }
    Ok(body.to_owned())
}

#[test]
fn it_serves_what_it_says() -> Result<(), Failure> {
    self_test(&pool()?)
}
