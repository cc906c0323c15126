// The floor: epoll, recv, send, and nothing else. Answers every read with the same 13-byte body, looks at nothing.
// Usage: rawhello PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char kAnswer[] =
    "HTTP/1.1 200 OK\r\nServer: raw\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain\r\n"
    "Content-Length: 13\r\n\r\nHello, world!";
static const char kClosing[] =
    "HTTP/1.1 200 OK\r\nServer: raw\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain\r\n"
    "Content-Length: 13\r\nConnection: close\r\n\r\nHello, world!";

static int listen_on(int port) {
  int one = 1, listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listening, (struct sockaddr*)&address, sizeof address) != 0 || listen(listening, 2048) != 0) {
    perror("rawhello");
    exit(1);
  }
  return listening;
}

static void accept_all(int epoll, int listening) {
  int one = 1, connection;
  while ((connection = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = connection};
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    epoll_ctl(epoll, EPOLL_CTL_ADD, connection, &event);
  }
}

static void answer(int connection) {
  static char buffer[65536];
  ssize_t size = recv(connection, buffer, sizeof buffer, 0);
  if (size <= 0) {
    if (size == 0 || errno != EAGAIN) close(connection);
    return;
  }
  if (memmem(buffer, (size_t)size, "Connection: close", 17) != NULL) {  // as the benchmark's load writes it
    (void)!send(connection, kClosing, sizeof kClosing - 1, MSG_NOSIGNAL);
    close(connection);
    return;
  }
  (void)!send(connection, kAnswer, sizeof kAnswer - 1, MSG_NOSIGNAL);
}

int main(int argc, char** argv) {
  if (argc != 2) return fprintf(stderr, "usage: rawhello PORT\n"), 2;
  int listening = listen_on(atoi(argv[1])), epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listening}, events[256];
  epoll_ctl(epoll, EPOLL_CTL_ADD, listening, &event);
  for (;;) {
    int count = epoll_wait(epoll, events, 256, -1);
    for (int index = 0; index < count; ++index) {
      if (events[index].data.fd == listening) {
        accept_all(epoll, listening);
      } else {
        answer(events[index].data.fd);
      }
    }
  }
}
