/* A server that takes as little of the processor as one can: it answers each GET with the same few bytes, and each POST
 * with an event stream, in one write.
 *
 * GET /status is answered with how many others came before. Two arguments: the port, on loopback, and a file with what
 * an event stream is. It ends by a signal.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_FDS 65536
#define END "\r\n\r\n"
#define STATUS "GET /status "
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define STREAM_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %zu\r\n\r\n"

/* Of the end of a request, how many characters a connection has brought last. */
static unsigned char ends[MOST_FDS];
static unsigned long answered;
static char stream[1 << 18];
static size_t stream_size;

static int listening(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 4096)) {
    perror("light_server");
    exit(1);
  }
  return fd;
}

static void watch(int loop, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
}

static void take_connections(int loop, int listener) {
  int fd, on = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    if (fd >= MOST_FDS) {
      close(fd);
      continue;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ends[fd] = 0;
    watch(loop, fd);
  }
}

static int tell_status(int fd) {
  char body[32], text[128];
  int size = snprintf(body, sizeof body, "%lu", answered);
  int whole = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, body);
  return write(fd, text, whole) < 0;
}

static void read_stream(const char *path) {
  static char body[1 << 17];
  FILE *file = fopen(path, "rb");
  if (!file) {
    perror(path);
    exit(1);
  }
  size_t size = fread(body, 1, sizeof body, file);
  fclose(file);
  stream_size = snprintf(stream, sizeof stream, STREAM_HEAD, size);
  memcpy(stream + stream_size, body, size);
  stream_size += size;
}

/* Whether all of it went: the kernel has room for what a client has asked for, which is one answer at a time. */
static int write_whole(int fd, const char *text, size_t size) {
  return write(fd, text, size) == (ssize_t)size;
}

static void answer(int fd) {
  static char read_in[1 << 16];
  ssize_t size = read(fd, read_in, sizeof read_in);
  if (size <= 0) {
    close(fd);
    return;
  }
  if (size > (ssize_t)sizeof STATUS && !memcmp(read_in, STATUS, sizeof STATUS - 1)) {
    if (tell_status(fd)) close(fd);
    return;
  }
  /* A client that posts sends a request whole, and the next when this one is answered. */
  int posted = read_in[0] == 'P';
  for (ssize_t n = 0; n < size; n++) {
    ends[fd] = read_in[n] == END[ends[fd]] ? ends[fd] + 1 : read_in[n] == '\r';
    if (ends[fd] < sizeof END - 1) continue;
    ends[fd] = 0;
    answered++;
    if (!(posted ? write_whole(fd, stream, stream_size) : write_whole(fd, ANSWER, sizeof ANSWER - 1))) {
      close(fd);
      return;
    }
  }
}

int main(int count, char **given) {
  if (count != 3) return 2;
  read_stream(given[2]);
  int listener = listening(atoi(given[1])), loop = epoll_create1(0);
  watch(loop, listener);
  for (;;) {
    struct epoll_event events[512];
    int many = epoll_wait(loop, events, 512, -1);
    for (int n = 0; n < many; n++) {
      if (events[n].data.fd == listener) take_connections(loop, listener);
      else answer(events[n].data.fd);
    }
  }
}
