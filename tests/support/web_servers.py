"""Real web servers in front of the one under test: Apache and lighttpd, each on one port of loopback for each way it passes
requests on."""

import os
import socket
import subprocess
from itertools import zip_longest

from . import processes
from .processes import wait_until

USER = "www-data"  # of their workers, when they are started as root


def free_ports(count):
    """The kernel's choice. Somebody else may take one before the server does: start() tries again, then."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def reachable(port):
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def start(command, file, configure, backs):
    """Runs `command` with the text that configure(ports) gives in `file`, until it listens. -> process, ports"""
    for _ in range(5):
        ports = free_ports(len(backs))
        file.write_text(configure(ports))
        process = subprocess.Popen([*map(str, command), str(file)], stdin=subprocess.DEVNULL, start_new_session=True)
        processes.adopt(process.pid)
        wait_until(lambda: process.poll() is not None or all(map(reachable, ports)), 20, command[0])
        if process.poll() is None:
            return process, ports
    raise AssertionError(f"{command[0]} does not start: its words are above")


def text_of(address):
    return address if isinstance(address, str) else f"{address[0]}:{address[1]}"


def apache(program, place, backs, secure=(), mount="", guard=None):
    """`backs`: (protocol, address) each. `secure`: lines by which the first of them are asked by TLS. `mount`: "/app", below
    which alone they are asked. `guard`: host and port of a FastCGI authorizer that says who may ask there."""
    modules = "mpm_event unixd authz_core proxy proxy_fcgi proxy_scgi proxy_uwsgi".split() + (["ssl"] if secure else [])
    modules += "authn_core authz_user auth_basic authnz_fcgi".split() if guard else []
    scheme = {"fastcgi": "fcgi", "scgi": "scgi", "uwsgi": "uwsgi"}
    guarding = (f'<Location "{mount}/">\nAuthType Basic\nAuthName "apache"\nAuthBasicProvider guard\nRequire valid-user\n</Location>'
                if guard else "")

    def host(port, protocol, address, lines):
        to = f"{scheme[protocol]}://{text_of(address)}/"
        if isinstance(address, str):
            to = f"unix:{address}|{scheme[protocol]}://localhost/"
        return (f"Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\nServerName shop.example\n"
                f'{lines}\n{guarding}\nProxyPass "{mount}/" "{to}"\n</VirtualHost>\n')

    def configure(ports):
        lines = [f"<IfModule !{name}_module>\nLoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n</IfModule>"
                 for name in modules]
        lines += [f'ServerRoot "{place}"', f'PidFile "{place}/pid"', f'DefaultRuntimeDir "{place}"', f'ErrorLog "{place}/error.log"',
                  "ServerName shop.example", "UseCanonicalName Off", "ServerLimit 1", "StartServers 1", "ThreadLimit 25",
                  "ThreadsPerChild 25", "MaxRequestWorkers 25", "ProxyTimeout 60"]
        lines += [f"User {USER}", f"Group {USER}"] if os.getuid() == 0 else []
        lines += [f"AuthnzFcgiDefineProvider authnz guard fcgi://{text_of(guard)}/"] if guard else []
        hosts = zip_longest(ports, backs, secure, fillvalue="")
        return "\n".join(lines) + "\n" + "".join(host(port, *back, more) for port, back, more in hosts)

    return start([program, "-DFOREGROUND", "-f"], place / "apache.conf", configure, backs)


def lighttpd(program, place, backs, starts=None, secure=(), mount="/", guard=None, rewrite=""):
    """`backs`, `secure`, `mount` and `guard`, which may be a unix socket, as above. `rewrite`: what paths become. With `starts`, a command, lighttpd runs
    that behind a socket of its own making at the address, which is the command's descriptor 0; it names no host, then."""

    def way_to(address):
        if isinstance(address, str):
            return f'"socket" => "{address}"'
        return f'"port" => {address[1]}' + ("" if starts else f', "host" => "{address[0]}"')

    def condition(port, protocol, address, lines):
        to = way_to(address)
        if starts:
            to += f', "bin-path" => "{starts}", "max-procs" => 1'
        guarding = f'( {way_to(guard)}, "mode" => "authorizer", "check-local" => "disable" ), ' if guard else ""
        spoken = 'scgi.protocol = "uwsgi"\n' if protocol == "uwsgi" else ""
        module = "scgi" if spoken else protocol
        server = f'{spoken}{module}.server = ( "{mount}" => ( {guarding}( {to}, "check-local" => "disable" )) )'
        return f'$SERVER["socket"] == "127.0.0.1:{port}" {{ {server}\n{lines} }}\n'

    def configure(ports):
        modules = ('"mod_rewrite", ' if rewrite else "") + '"mod_fastcgi", "mod_scgi"' + (', "mod_openssl"' if secure else "")
        lines = [f"server.modules = ( {modules} )", f'server.document-root = "{place}"', 'server.bind = "127.0.0.1"',
                 f"server.port = {ports[0]}", f'server.errorlog = "{place}/error.log"', f'server.upload-dirs = ( "{place}" )',
                 "server.max-request-size = 50000", 'server.stream-response-body = 1']
        lines += [f'url.rewrite-once = ( "^(.*)$" => "{rewrite}" )'] if rewrite else []
        if os.getuid() == 0 and not starts:  # what it starts would be that user's too, who may not be let into this checkout
            lines += [f'server.username = "{USER}"', f'server.groupname = "{USER}"']
        hosts = zip_longest(ports, backs, secure, fillvalue="")
        return "\n".join(lines) + "\n" + "".join(condition(port, *back, more) for port, back, more in hosts)

    return start([program, "-D", "-f"], place / "lighttpd.conf", configure, backs)
