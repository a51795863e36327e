//! The published ports of a container.

use engine::request::view::PublishedPort;

/// Returns the text of `port`: by port and address, or addresses alone where one port was asked for.
pub fn ports(ports: &[PublishedPort], name_ports: bool) -> String {
    let mut ports = ports.to_vec();
    ports.sort_by_key(|port| (port.container, port.protocol.number(), port.host));
    let line = |port: &PublishedPort| match name_ports {
        true => format!("{}/{} -> {}\n", port.container, port.protocol, port.host),
        false => format!("{}\n", port.host),
    };
    ports.iter().map(line).collect()
}

#[cfg(test)]
#[test]
fn as_docker_does() {
    use engine::request::Protocol;
    let port =
        |container, protocol, host: &str| PublishedPort { protocol, container, host: host.parse().unwrap() };
    let all = [
        port(443, Protocol::Tcp, "0.0.0.0:8443"),
        port(80, Protocol::Tcp, "[::]:8080"),
        port(80, Protocol::Udp, "127.0.0.1:8080"),
        port(80, Protocol::Tcp, "0.0.0.0:8080"),
    ];
    let text =
        "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n80/udp -> 127.0.0.1:8080\n443/tcp -> 0.0.0.0:8443\n";
    assert_eq!(ports(&all, true), text);
    assert_eq!(ports(&all[..2], false), "[::]:8080\n0.0.0.0:8443\n");
    assert_eq!(ports(&[], true), "");
}
