"""Tornado's own tests of what applications see of an HTTP server, with Cutwater as the server: see apps/tornado_suite."""

import fnmatch
import importlib
import json

import pytest
from tornado import testing

pytestmark = pytest.mark.timeout(60)
MODULES = ["web_test", "websocket_test", "httpserver_test", "routing_test", "wsgi_test", "auth_test"]

# module.class.method: why it cannot pass here.
LEFT_OUT = {
    "an option of Tornado's HTTPServer, which is a setting of Cutwater's or is not there": [
        "web_test.*FlowControlTest.test_flow_control_*",  # chunk_size, decompress_request
        "httpserver_test.StreamingChunkSizeTest.*", "httpserver_test.GzipTest.*", "httpserver_test.GzipMemoryTest.*",
        "httpserver_test.BodyLimitsTest.test_large_body_buffered*",  # max_body_size: limits.body
        "httpserver_test.BodyLimitsTest.test_large_body_streaming", "httpserver_test.BodyLimitsTest.test_body_size_override_reset",
        "httpserver_test.BodyLimitsTest.test_large_body_streaming_chunked",
        "httpserver_test.BodyLimitsTest.test_timeout",  # body_timeout: limits.body_min_rate
        "httpserver_test.IdleTimeoutTest.*",  # limits.keepalive
        "httpserver_test.MaxHeaderSizeTest.test_large_headers",  # limits.header
        "httpserver_test.ManualProtocolTest.*", "httpserver_test.XHeaderTest.*",  # trusted_proxies
        "httpserver_test.SSL*",
    ],
    "a request that the front refuses, or answers, by itself": [
        "httpserver_test.HTTPServerRawTest.*invalid*", "httpserver_test.HTTPServerRawTest.*malformed*",
        "httpserver_test.HTTPServerRawTest.test_chunked_request_body_*", "httpserver_test.HTTPServerRawTest.test_content_length_list*",
        "httpserver_test.HTTPConnectionTest.test_newlines",  # bare line feeds
        "httpserver_test.KeepAliveTest.test_keepalive_chunked",  # chunks in HTTP/1.0
        "web_test.CrossOriginProtectionBeforePrepareTest.test_websocket_upgrade_header_not_checked",  # half a handshake
        "web_test.RedirectHandlerTest.test_invalid_characters",  # %00
    ],
    "empty segments of a path are taken out before it is routed": [
        "web_test.RedirectHandlerTest.test_redirect_double_slash", "web_test.RedirectHandlerTest.test_substitution_after_first_slash",
    ],
    "the field Connection is the front's": ["httpserver_test.KeepAliveTest.test_http10*"],
    "the answer comes at once, the end of the connection when the front has waited for the rest of the body": [
        "web_test.StreamingRequestBodyTest.test_early_return*",
    ],
    "answered with 500 instead of an end without a word": ["httpserver_test.InvalidOutputContentLengthTest.*"],
    "writes HTTP into the connection itself": ["httpserver_test.LegacyInterfaceTest.*"],
    "ping and pong are the front's": [
        "websocket_test.*PeriodicPingTest.*", "websocket_test.ManualPingTest.*", "websocket_test.FloodTest.test_pong_most_recent_ping",
        "websocket_test.ServerPingTimeoutTest.*",
    ],
    "Tornado's client does not heed client_no_context_takeover": [
        "websocket_test.ClientOnlyCompressionTest.test_message_sizes", "websocket_test.DefaultCompressionTest.test_message_sizes",
    ],
    "the front holds a message of up to limits.websocket_message": ["websocket_test.CompressedMessageMemoryTest.*"],
}


def classes():
    for module in MODULES:
        namespace = vars(importlib.import_module(f"tornado.test.{module}"))
        for name, value in namespace.items():
            if isinstance(value, type) and issubclass(value, testing.AsyncHTTPTestCase) and value.__module__ == f"tornado.test.{module}":
                methods = testing.unittest.defaultTestLoader.getTestCaseNames(value)
                if any(not is_left_out(module, name, method) for method in methods):
                    yield pytest.param(module, value, id=f"{module}-{name}")


def is_left_out(module, name, method):
    return any(fnmatch.fnmatchcase(f"{module}.{name}.{method}", pattern) for patterns in LEFT_OUT.values() for pattern in patterns)


@pytest.fixture(scope="module")
def suite(serve_module):
    """Tornado's tests make their server complain, often on purpose; and each class is one long request."""
    return serve_module("tornado_suite", protocol="tornado", loop="app:make_loop", timeout="60s", allow=["."])


@pytest.mark.parametrize(("module", "tests"), list(classes()))
def test_tornado(suite, module, tests):
    methods = testing.unittest.defaultTestLoader.getTestCaseNames(tests)
    without = "&".join(f"without={method}" for method in methods if is_left_out(module, tests.__name__, method))
    with suite.connect(timeout=55) as client:
        answer = client.request("GET", f"/-run/{module}/{tests.__name__}?{without}", host="%s:%d" % suite.address)
    assert answer.status == 200, answer.body
    outcome = json.loads(answer.body)
    assert outcome
    wrong = {method: said for method, said in outcome.items() if said != "passed" and not said.startswith("skipped: ")}
    assert not wrong, "\n".join(f"{method}: {said}" for method, said in wrong.items())
