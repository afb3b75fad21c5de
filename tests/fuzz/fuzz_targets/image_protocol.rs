//! The socket of finalizer scripts, both sides: any bytes from the other.
#![no_main]

use std::io::{self, Read, Write};

use image_manifest::Document;
use image_manifest::protocol::{Client, Peer, serve};
use libfuzzer_sys::fuzz_target;

/// Says what it was given, a few bytes at a time; what it hears is counted.
struct Other<'a> {
    says: &'a [u8],
    heard: usize,
}

impl Read for Other<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let some = buffer.len().min(5);
        self.says.read(&mut buffer[..some])
    }
}

impl Write for Other<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.heard += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Peer for Other<'_> {
    fn idle(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn busy(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let text = "<distribution name=\"x\"><a>one</a><a>\"two\" \"three\"</a><b/></distribution>";
    let document = Document::parse(text).expect("it is a manifest");
    let mut client = Other { says: bytes, heard: 0 };
    let _ = serve(&mut client, &document, &mut |_| {});
    // Nobody makes the server say more than the manifest holds, for each request.
    assert!(client.heard <= (bytes.len() / 8 + 1) * 64);
    let mut ours = Client::new(Other { says: bytes, heard: 0 });
    while ours.values("a", false, &mut |_| {}).is_ok() {}
});
