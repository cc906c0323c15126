/* WebSocket clients, on one thread: websocket_load PORT PATH CONNECTIONS BYTES SECONDS
 *
 * Each connection sends a message of BYTES bytes, waits until it has come back whole and sends the next, for SECONDS.
 * With SECONDS 0 the connections are opened and held, in silence but for answers to pings, until standard input ends.
 * The result is one line of JSON; what does not behave ends the program with a message. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 1 << 20, BINARY = 0x82, PING = 0x89, PONG = 0x8a };

struct connection {
  int fd;
  size_t have;        /* bytes of `input` */
  size_t echoed;      /* of the message's payload, from whole frames */
  uint64_t sent_at;   /* microseconds */
  unsigned char *input;
};

static unsigned char message[LARGEST + 16], buffer[LARGEST + 64];
static size_t message_size, payload_size;
static uint64_t messages, *latencies, latency_count, latency_room;

static void fail(const char *what) {
  fprintf(stderr, "websocket_load: %s: %s\n", what, errno ? strerror(errno) : "unexpected");
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* A client's frame; the mask is four zero bytes, which leave the payload as it is. */
static size_t make_frame(unsigned char *to, unsigned char first, const unsigned char *payload, size_t size) {
  size_t at = 0;
  to[at++] = first;
  if (size < 126) {
    to[at++] = (unsigned char)(0x80 | size);
  } else {
    const int bytes = size < 65536 ? 2 : 8;
    to[at++] = bytes == 2 ? 0x80 | 126 : 0x80 | 127;
    for (int i = bytes - 1; i >= 0; i--) to[at++] = (unsigned char)((uint64_t)size >> (8 * i));
  }
  memset(to + at, 0, 4);
  memmove(to + at + 4, payload, size);
  return at + 4 + size;
}

static void send_all(int fd, const void *bytes, size_t size) {
  for (size_t sent = 0; sent < size;) {
    const ssize_t count = send(fd, (const char *)bytes + sent, size - sent, MSG_NOSIGNAL);
    if (count < 0) fail("send");
    sent += (size_t)count;
  }
}

static void say(struct connection *one) {
  one->echoed = 0;
  one->sent_at = now();
  send_all(one->fd, message, message_size);
}

static void open_one(struct connection *one, int port, const char *path) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int yes = 1;
  one->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (one->fd < 0 || connect(one->fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
  setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  char head[1024];
  const int size = snprintf(head, sizeof head,
                            "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                            path, port);
  send_all(one->fd, head, (size_t)size);
  size_t have = 0;
  while (have < 4 || memcmp(head + have - 4, "\r\n\r\n", 4) != 0) {
    errno = 0;
    if (have == sizeof head || recv(one->fd, head + have, 1, 0) != 1) fail("the answer to the handshake");
    have++;
  }
  if (memcmp(head, "HTTP/1.1 101", 12) != 0) fail("the status of the handshake");
}

static void count_message(struct connection *one) {
  if (latency_count == latency_room) {
    latency_room = latency_room ? latency_room * 2 : 1 << 16;
    latencies = realloc(latencies, latency_room * sizeof *latencies);
    if (!latencies) fail("memory");
  }
  latencies[latency_count++] = now() - one->sent_at;
  messages++;
}

/* Takes the whole frames of what has come; the start of one is kept. Whether the echo is complete. */
static int take(struct connection *one, const unsigned char *bytes, size_t size) {
  int complete = 0;
  size_t at = 0;
  while (size - at >= 2) {
    size_t length = bytes[at + 1] & 0x7f, head = 2;
    if (length > 125) head = length == 126 ? 4 : 10;
    if (size - at < head) break;
    if (head > 2) {
      length = 0;
      for (size_t i = 2; i < head; i++) length = length << 8 | bytes[at + i];
    }
    if (length > LARGEST) fail("a frame that is too large");
    if (size - at < head + length) break;
    if (bytes[at] == PING) {
      unsigned char pong[160];
      send_all(one->fd, pong, make_frame(pong, PONG, bytes + at + head, length));
    } else if ((bytes[at] & 0x0f) <= 2) {
      one->echoed += length;
      complete = (bytes[at] & 0x80) != 0;
      if (complete && one->echoed != payload_size) fail("the size of an echo");
    } else {
      fail("a frame that nobody asked for");
    }
    at += head + length;
  }
  one->have = size - at;
  if (one->have > 0 && !one->input && !(one->input = malloc(LARGEST + 64))) fail("memory");
  if (one->have > 0) memmove(one->input, bytes + at, one->have);
  return complete;
}

static void read_one(struct connection *one, int goes_on) {
  if (one->have > 0) memcpy(buffer, one->input, one->have);
  errno = 0;
  const ssize_t count = recv(one->fd, buffer + one->have, sizeof buffer - one->have, MSG_DONTWAIT);
  if (count < 0 && errno == EAGAIN) return;
  if (count <= 0) fail("a connection that ended");
  if (!take(one, buffer, one->have + (size_t)count) || !goes_on) return;
  count_message(one);
  say(one);
}

static int by_size(const void *left, const void *right) {
  const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return a < b ? -1 : a > b;
}

static double percentile(double part) {
  return latency_count ? (double)latencies[(size_t)((double)(latency_count - 1) * part)] / 1000 : 0;
}

int main(int count, char **words) {
  if (count != 6) {
    fprintf(stderr, "usage: websocket_load PORT PATH CONNECTIONS BYTES SECONDS\n");
    return 2;
  }
  const int port = atoi(words[1]), connections = atoi(words[3]);
  payload_size = (size_t)atol(words[4]);
  const uint64_t seconds = (uint64_t)atol(words[5]);
  if (payload_size > LARGEST) fail("BYTES is too large");
  static unsigned char payload[LARGEST];
  for (size_t i = 0; i < payload_size; i++) payload[i] = (unsigned char)i;
  message_size = make_frame(message, BINARY, payload, payload_size);

  struct connection *all = calloc((size_t)connections, sizeof *all);
  const int poll = epoll_create1(0);
  if (!all || poll < 0) fail("start");
  for (int i = 0; i < connections; i++) {
    open_one(&all[i], port, words[2]);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event) != 0) fail("epoll");
  }
  struct epoll_event input = {.events = EPOLLIN | EPOLLHUP, .data.ptr = NULL};
  if (seconds == 0) {
    if (epoll_ctl(poll, EPOLL_CTL_ADD, 0, &input) != 0) fail("standard input");
    printf("{\"open\": %d}\n", connections);
    fflush(stdout);
  }
  const uint64_t start = now(), end = start + seconds * 1000000;
  for (int i = 0; seconds > 0 && i < connections; i++) say(&all[i]);
  while (seconds == 0 || now() < end) {
    struct epoll_event events[64];
    const int ready = epoll_wait(poll, events, 64, 100);
    for (int i = 0; i < ready; i++) {
      if (!events[i].data.ptr) return 0;
      read_one(events[i].data.ptr, seconds > 0);
    }
  }
  const uint64_t took = now() - start;
  qsort(latencies, latency_count, sizeof *latencies, by_size);
  printf("{\"messages\": %llu, \"microseconds\": %llu, \"p50\": %.3f, \"p99\": %.3f}\n", (unsigned long long)messages,
         (unsigned long long)took, percentile(0.5), percentile(0.99));
  return 0;
}
