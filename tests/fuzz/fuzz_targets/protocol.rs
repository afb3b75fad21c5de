//! The decoder of the socket: any bytes; what was read is sent and read back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use smf_scf::protocol::{Request, Response, receive, send};
use std::fmt::Debug;

fn decode<T: DeserializeOwned + Serialize + Debug + PartialEq>(bytes: &[u8]) {
    // As it comes: lengths of all sorts.
    let mut stream = bytes;
    while let Ok(Some(message)) = receive::<T>(&mut stream) {
        let mut sent = Vec::new();
        send(&mut sent, &message).unwrap();
        assert_eq!(receive::<T>(&sent[..]).unwrap().as_ref(), Some(&message));
    }
    // And with the right length before it.
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    let _any = receive::<T>(&[&length[..], bytes].concat()[..]);
}

fuzz_target!(|bytes: &[u8]| {
    decode::<Request>(bytes);
    decode::<Response>(bytes);
});
