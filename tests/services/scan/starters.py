"""How to start each real server: write a private configuration, return its ports by the name of what they speak."""

from __future__ import annotations

import os
from pathlib import Path

from tests.services.scan.farm import Farm, Ports, Starter, free_ports, prepare

NOBODY = 65534  # by number: names of users differ between machines
PASSWORD = "correct horse"  # of the servers that have one


def sshd(farm: Farm, folder: Path) -> Ports:
    ports = free_ports("ssh")
    key = folder / "host_key"
    prepare("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    Path("/run/sshd").mkdir(exist_ok=True) if os.geteuid() == 0 else None
    config = folder / "sshd_config"
    config.write_text(f"ListenAddress 127.0.0.1\nPort {ports['ssh']}\nHostKey {key}\nPidFile none\nUsePAM no\n")
    return farm.run(folder, "sshd", "-D", "-e", "-f", str(config), ports=ports)


def redis(farm: Farm, folder: Path) -> Ports:
    ports = free_ports("plain", "tls")
    pems = farm.certificates
    tls = ("--tls-cert-file", str(pems["good"]), "--tls-key-file", str(pems["good_key"]), "--tls-auth-clients", "no")
    argv = ("--bind", "127.0.0.1", "--port", str(ports["plain"]), "--tls-port", str(ports["tls"]), "--save", "")
    return farm.run(folder, "redis-server", *argv, *tls, "--tls-ca-cert-file", str(pems["authority"]), ports=ports)


def redis_locked(farm: Farm, folder: Path) -> Ports:
    ports = free_ports("plain")
    argv = ("--bind", "127.0.0.1", "--port", str(ports["plain"]), "--save", "", "--requirepass", PASSWORD)
    return farm.run(folder, "redis-server", *argv, ports=ports)


def memcached(farm: Farm, folder: Path) -> Ports:
    ports = free_ports("memcached")
    return farm.run(folder, "memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(ports["memcached"]), ports=ports)


def nginx(farm: Farm, folder: Path) -> Ports:
    ports = free_ports("http", "https", "expired", "moved")
    (folder / "index.html").write_text("<html><head><title>\n Tom &amp; Jerry\x07 </title></head></html>")
    pems = farm.certificates
    config = folder / "nginx.conf"
    config.write_text(f"""
daemon off; pid {folder}/pid; error_log stderr; worker_processes 1; events {{}}
http {{
  access_log off; root {folder}; types {{ text/html html; }}
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{ports["http"]}; add_header Set-Cookie "sid=secret; HttpOnly"; }}
  server {{ listen 127.0.0.1:{ports["moved"]}; return 302 https://elsewhere.example/; }}
  server {{ listen 127.0.0.1:{ports["https"]} ssl http2; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {pems["good"]}; ssl_certificate_key {pems["good_key"]}; }}
  server {{ listen 127.0.0.1:{ports["expired"]} ssl; ssl_protocols TLSv1.2;
    ssl_certificate {pems["expired"]}; ssl_certificate_key {pems["expired_key"]}; }}
}}""")
    return farm.run(folder, "nginx", "-p", str(folder), "-e", "stderr", "-c", str(config), ports=ports)


def vsftpd(farm: Farm, folder: Path) -> Ports:
    ports = free_ports("ftp")
    empty = folder / "empty"
    empty.mkdir(mode=0o555)
    config = folder / "vsftpd.conf"
    lines = {
        "listen": "YES",
        "listen_address": "127.0.0.1",
        "listen_port": ports["ftp"],
        "background": "NO",
        "anonymous_enable": "YES",
        "anon_root": empty,
        "secure_chroot_dir": empty,
        "ssl_enable": "YES",
        "allow_anon_ssl": "YES",
        "rsa_cert_file": farm.certificates["good"],
        "rsa_private_key_file": farm.certificates["good_key"],
        "seccomp_sandbox": "NO",
    }
    config.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    return farm.run(folder, "vsftpd", str(config), ports=ports)


def mosquitto(farm: Farm, folder: Path) -> Ports:
    ports = free_ports("open", "locked", "tls")
    pems = farm.certificates
    config = folder / "mosquitto.conf"
    config.write_text(f"""
per_listener_settings true
listener {ports["open"]} 127.0.0.1
allow_anonymous true
listener {ports["locked"]} 127.0.0.1
allow_anonymous false
listener {ports["tls"]} 127.0.0.1
allow_anonymous true
certfile {pems["good"]}
keyfile {pems["good_key"]}
""")
    return farm.run(folder, "mosquitto", "-c", str(config), ports=ports)


def dovecot(farm: Farm, folder: Path) -> Ports:
    ports = free_ports("imap", "pop3", "imaps", "pop3s")
    pems = farm.certificates
    config = folder / "dovecot.conf"
    config.write_text(f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
protocols = imap pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <{pems["good"]}
ssl_key = <{pems["good_key"]}
service imap-login {{
  inet_listener imap {{
    port = {ports["imap"]}
  }}
  inet_listener imaps {{
    port = {ports["imaps"]}
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {ports["pop3"]}
  }}
  inet_listener pop3s {{
    port = {ports["pop3s"]}
  }}
}}
passdb {{
  driver = static
  args = password=x
}}
""")
    return farm.run(folder, "dovecot", "-F", "-c", str(config), ports=ports)


def exim(farm: Farm, folder: Path) -> Ports:
    ports = free_ports("smtp", "smtps")
    pems = farm.certificates
    config = folder / "exim.conf"
    config.write_text(f"""
primary_hostname = mail.example
local_interfaces = 127.0.0.1
daemon_smtp_ports = {ports["smtp"]} : {ports["smtps"]}
tls_on_connect_ports = {ports["smtps"]}
tls_advertise_hosts = *
tls_certificate = {pems["good"]}
tls_privatekey = {pems["good_key"]}
host_lookup =
rfc1413_query_timeout = 0s
spool_directory = {folder}
log_file_path = {folder}/%slog
pid_file_path = {folder}/pid
begin acl
begin routers
begin transports
""")
    config.chmod(0o644)
    return farm.run(folder, "exim4", "-bdf", "-C", str(config), ports=ports)


def postgres(farm: Farm, folder: Path) -> Ports:
    ports = free_ports("postgres")
    data = folder / "data"
    key = folder / "key.pem"
    key.write_bytes(farm.certificates["good_key"].read_bytes())
    key.chmod(0o600)
    as_user: tuple[str, ...] = ()
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        as_user = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        os.chown(key, NOBODY, NOBODY)
    prepare(*as_user, _postgres("initdb"), "-U", "postgres", "--no-sync", "--auth-host=scram-sha-256", "-D", str(data))
    settings = {
        "port": ports["postgres"],
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
        "ssl": "on",
        "ssl_cert_file": farm.certificates["good"],
        "ssl_key_file": key,
    }
    options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
    server = _postgres("postgres")
    return farm.run(folder, *as_user, server, "-D", str(data), *options, ports=ports)


def mariadb(farm: Farm, folder: Path) -> Ports:
    ports = free_ports("mysql")
    user = "--user=root" if os.geteuid() == 0 else "--skip-grant-tables"
    data = folder / "data"
    prepare("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", user)
    pems = farm.certificates
    argv = (f"--datadir={data}", f"--port={ports['mysql']}", "--bind-address=127.0.0.1", f"--socket={folder}/s", user)
    tls = (f"--ssl-cert={pems['good']}", f"--ssl-key={pems['good_key']}")
    return farm.run(folder, "mariadbd", "--no-defaults", *argv, *tls, ports=ports)


def named(farm: Farm, folder: Path) -> Ports:
    ports = free_ports("dns")
    zone = folder / "root.zone"
    zone.write_text("$TTL 60\n@ SOA localhost. root.localhost. 1 60 60 60 60\n@ NS localhost.\nlocalhost A 127.0.0.1\n")
    config = folder / "named.conf"
    config.write_text(f"""
options {{ directory "{folder}"; listen-on port {ports["dns"]} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  pid-file none; session-keyfile none; dnssec-validation no; recursion yes; allow-recursion {{ any; }}; }};
controls {{ }};
zone "." {{ type primary; file "{zone}"; }};
""")
    return farm.run(folder, "named", "-g", "-c", str(config), ports=ports)


def _postgres(name: str) -> str:
    """Return where PostgreSQL's own programs are: Debian keeps them out of PATH, by version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else name


STARTERS: dict[str, Starter] = {
    starter.__name__: starter
    for starter in (
        sshd,
        redis,
        redis_locked,
        memcached,
        nginx,
        vsftpd,
        mosquitto,
        dovecot,
        exim,
        postgres,
        mariadb,
        named,
    )
}
