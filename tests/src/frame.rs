//! Frames as an attacker writes them: whole, from the hardware address on.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A hardware address.
pub type Hardware = [u8; 6];

pub const EVERYBODY: Hardware = [0xff; 6];

/// Sends frames, given in hexadecimal after the index of the interface, through a raw socket: socket(AF_PACKET,
/// SOCK_RAW), and a `sockaddr_ll` (packet(7)). Perl has neither by name.
pub const SEND: &str = r#"my $index = shift; socket(my $s, 17, 3, 0x0300) or die "socket: $!";
for (@ARGV) { send($s, pack("H*", $_), 0, pack("S n i S C C a8", 17, 3, $index, 0, 0, 6, "")) or die "send: $!" }"#;

/// Prints a frame as [`SEND`] takes it.
pub fn hex(frame: &[u8]) -> String {
    frame.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a hardware address.
#[track_caller]
pub fn hardware(text: &str) -> Hardware {
    let bytes: Vec<u8> = text.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    bytes.try_into().unwrap_or_else(|_| panic!("`{text}` is no hardware address"))
}

/// Puts a head before a payload of this type.
pub fn ethernet(to: Hardware, from: Hardware, kind: u16, payload: &[u8]) -> Vec<u8> {
    [&to[..], &from, &kind.to_be_bytes(), payload].concat()
}

/// Says in a reply that an address is at a hardware address (RFC 826).
pub fn arp_reply(to: Hardware, at: Hardware, address: Ipv4Addr, told: Ipv4Addr) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, 2];
    let payload = [&head[..], &at, &address.octets(), &to, &told.octets()].concat();
    ethernet(to, at, 0x0806, &payload)
}

/// Puts a datagram into a packet of version 4 (RFC 791, RFC 768; no checksum of the datagram).
pub fn udp4(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), text: &[u8]) -> Vec<u8> {
    let length = |size: usize| u16::try_from(size).expect("a small packet").to_be_bytes();
    let mut head = [&[0x45, 0][..], &length(28 + text.len()), &[0, 1, 0, 0, 64, 17, 0, 0]].concat();
    head.extend([from.0.octets(), to.0.octets()].concat());
    let sum = checksum(&head);
    head[10..12].copy_from_slice(&sum);
    let ports = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    [&head[..], &ports, &length(8 + text.len()), &[0, 0], text].concat()
}

/// Advertises a router with a prefix whose addresses everybody may take (RFC 4861, sections 4.2 and 4.6.2).
pub fn router_advertisement(from: Hardware, prefix: Ipv6Addr) -> Vec<u8> {
    let mut message = vec![134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
    message.extend([3, 4, 64, 0xc0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    message.extend(prefix.octets());
    let all = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    ethernet([0x33, 0x33, 0, 0, 0, 1], from, 0x86dd, &icmp6(link_local(from), all, message))
}

/// Says unasked that an address is at a hardware address, over what was known (RFC 4861, section 4.4).
pub fn neighbour_advertisement(to: Hardware, told: Ipv6Addr, at: Hardware, address: Ipv6Addr) -> Vec<u8> {
    let mut message = vec![136, 0, 0, 0, 0x60, 0, 0, 0];
    message.extend(address.octets());
    message.extend([2, 1]);
    message.extend(at);
    ethernet(to, at, 0x86dd, &icmp6(address, told, message))
}

/// Returns the address that an interface gives itself (RFC 4291, appendix A).
pub fn link_local([a, b, c, d, e, f]: Hardware) -> Ipv6Addr {
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

fn icmp6(from: Ipv6Addr, to: Ipv6Addr, mut message: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("a small packet").to_be_bytes();
    let pseudo = [&from.octets()[..], &to.octets(), &[0, 0], &length, &[0, 0, 0, 58], &message].concat();
    let sum = checksum(&pseudo);
    message[2..4].copy_from_slice(&sum);
    [&[0x60, 0, 0, 0][..], &length, &[58, 255], &from.octets(), &to.octets(), &message].concat()
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    (!(folded as u16)).to_be_bytes()
}
