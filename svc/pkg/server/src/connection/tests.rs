//! tests.rs - a connection talked to from its other end.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use super::*;

fn pair() -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, peer) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    (Connection::new(Transport::Plain(stream), peer), client)
}

/// Answers with the path; what was asked to run is kept.
#[derive(Default)]
struct Echo {
    jobs: RefCell<Vec<Job>>,
}

struct Gather {
    bytes: Vec<u8>,
    limit: usize,
}

impl Receiver for Gather {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Box<Response>> {
        self.bytes.extend_from_slice(bytes);
        let refused = || Box::new(http::error(507, "Full."));
        if self.bytes.len() > self.limit { Err(refused()) } else { Ok(()) }
    }

    fn finish(self: Box<Self>) -> Response {
        Response::new(200, "text/plain", self.bytes)
    }
}

impl Host for Echo {
    fn answer(&self, request: &Request, _: SocketAddr) -> Answer {
        match request.path.as_str() {
            "/big" => Response::new(200, "x", vec![0; 1 << 20]).into(),
            "/later" => Answer::Later(Box::new(|| Response::new(200, "x", "/later"))),
            "/body" => Answer::AfterBody(Box::new(Gather { bytes: Vec::new(), limit: 1000 })),
            path => Response::new(200, "text/plain", path).into(),
        }
    }

    fn run(&self, job: Job) {
        self.jobs.borrow_mut().push(job);
    }

    fn ready(&self, _: &[u8]) -> Option<(Ready, usize)> {
        None
    }

    fn answered(&self, _: &Request, _: &Response, _: SocketAddr) {}
}

/// Proceeds until the connection waits for input or is finished.
fn settle(connection: &mut Connection, echo: &Echo) -> Turn {
    let mut scratch = [0; 16 * 1024];
    loop {
        let turn = connection.proceed(echo, &mut scratch);
        if let Some(job) = echo.jobs.borrow_mut().pop() {
            connection.deliver(echo, job());
            continue;
        }
        match turn {
            Turn::Wait(Interest { write: true, .. }) => {}
            turn => return turn,
        }
    }
}

/// Sends all of `text`, and reads what is answered until the depot closes.
fn exchange(text: &str) -> String {
    let (mut connection, mut client) = pair();
    client.write_all(text.as_bytes()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let echo = Echo::default();
    while settle(&mut connection, &echo) != Turn::Finished {}
    drop(connection);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut text = String::new();
    for number in 0..100 {
        text.push_str(&format!("GET /{number}/ HTTP/1.1\r\nHost: h\r\n\r\n"));
    }
    text.push_str("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    text.push_str("POST /skip/ HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nGET /");
    text.push_str("GET /last/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let answer = exchange(&text);
    let bodies: Vec<&str> = answer.split("\r\n\r\n").skip(1).collect();
    assert_eq!(bodies.len(), 103);
    for (number, body) in bodies[..100].iter().enumerate() {
        assert!(body.starts_with(&format!("/{number}/")), "{number}: {body}");
    }
    for (body, start) in bodies[100..].iter().zip(["/later", "/skip/", "/last/"]) {
        assert!(body.starts_with(start), "{body}");
    }
}

#[test]
fn a_body_goes_to_who_wants_it_however_it_is_framed() {
    let chunked = "POST /body HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    let counted = "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\nabcdefg";
    let empty = "POST /body HTTP/1.1\r\nHost: h\r\n\r\n";
    let answer = exchange(&format!("{chunked}{counted}{empty}{counted}"));
    let bodies: Vec<&str> = answer.split("\r\n\r\n").skip(1).collect();
    assert_eq!(bodies.len(), 4, "{answer}");
    for (body, wanted) in bodies.iter().zip(["abcdefgH", "abcdefgH", "HTTP", "abcdefg"]) {
        assert!(body.starts_with(wanted), "{body}");
    }
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let head = "POST /PATH HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\
                Expect: 100-continue\r\n\r\n";
    let answer = exchange(&format!("{}ok", head.replace("PATH", "body")));
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    let answer = exchange(&head.replace("PATH", "refused"));
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("close"), "{answer}");
}

#[test]
fn a_refusal_arrives_though_the_body_is_still_coming() {
    let (mut connection, mut client) = pair();
    let length = 3 << 20;
    let sender = std::thread::spawn(move || {
        let head = format!("POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
        client.write_all(head.as_bytes()).unwrap();
        client.write_all(&vec![b'x'; length]).unwrap();
        client.write_all(b"GET /after HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    });
    let echo = Echo::default();
    while settle(&mut connection, &echo) != Turn::Finished {}
    drop(connection);
    let answer = sender.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 507 Insufficient Storage\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n/after"), "{answer}");
}

#[test]
fn a_client_that_does_not_read_is_not_read_from() {
    let (mut connection, mut client) = pair();
    client.set_nonblocking(true).unwrap();
    let (echo, mut scratch) = (Echo::default(), [0; 16 * 1024]);
    let request = b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut asked = 0;
    for _ in 0..5_000 {
        asked += client.write(request).unwrap_or(0);
        connection.proceed(&echo, &mut scratch);
    }
    assert!(asked > 0 && connection.output.len() <= WAITING_LIMIT);
    let turn = connection.proceed(&echo, &mut scratch);
    assert_eq!(turn, Turn::Wait(Interest { read: false, write: true }));
}

#[test]
fn what_makes_no_sense_ends_the_connection_with_an_answer() {
    let after = "GET /after HTTP/1.1\r\nHost: h\r\n\r\n";
    for text in [
        "\0\0\0\0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        "POST /body HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd",
    ] {
        let answer = exchange(&format!("{text}{after}"));
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}: {answer}");
        assert!(!answer.contains("/after"), "{text}: {answer}");
    }
}

#[test]
fn a_head_that_never_ends_is_overdue() {
    let (mut connection, mut client) = pair();
    let (echo, limit) = (Echo::default(), Duration::from_secs(60));
    client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /").unwrap();
    settle(&mut connection, &echo);
    let begun = Instant::now();
    assert!(!connection.is_overdue(begun + limit / 2, limit));
    // Another byte now and then does not buy time.
    let since = connection.head_since.unwrap();
    client.write_all(b"x").unwrap();
    settle(&mut connection, &echo);
    assert_eq!(connection.head_since, Some(since));
    assert!(connection.is_overdue(begun + limit, limit));
}
