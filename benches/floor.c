/* The least that the system can do, to read the program's times against. Compiled and run by benches/commands.
 *
 *   floor list STATE           reads the state file, looks at the process of each record, prints a line for each
 *   floor sweep STATE          reads it, looks at each record's process and log, writes it anew, durably
 *   floor serve PORT           answers every request on 127.0.0.1 with 200; the service of all measurements
 *   floor await PORT ARGV...   starts ARGV in a session of its own, asks it until it answers 200, prints its pid
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* The whole file, with a NUL behind it; ends the program where there is none. */
static char *read_whole(const char *path) {
  struct stat about;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0 || fstat(file, &about) != 0) exit(66);
  char *text = malloc((size_t)about.st_size + 1);
  size_t length = 0;
  ssize_t got;
  while (length < (size_t)about.st_size && (got = read(file, text + length, (size_t)about.st_size - length)) > 0)
    length += (size_t)got;
  text[length] = 0;
  close(file);
  return text;
}

/* Field 22 of /proc/PID/stat (proc_pid_stat(5)), the start time; 0 if there is no such process. */
static unsigned long long start_ticks(long pid) {
  char path[40], line[1024];
  snprintf(path, sizeof path, "/proc/%ld/stat", pid);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t length = read(file, line, sizeof line - 1);
  close(file);
  line[length > 0 ? length : 0] = 0;
  char *field = strrchr(line, ')');
  for (int number = 2; field && number < 22; number++) field = strchr(field + 1, ' ');
  return field ? strtoull(field, NULL, 10) : 0;
}

/* Searches the text instead of parsing it: a record begins with its name, and its pid follows. */
static int list(const char *path) {
  static const char name_key[] = "{\"name\":\"", pid_key[] = "\"pid\":";
  for (char *at = read_whole(path); (at = strstr(at, name_key)) != NULL;) {
    char *name = at + sizeof name_key - 1;
    at = strstr(name, pid_key);
    if (!at) break;
    long pid = strtol(at + sizeof pid_key - 1, &at, 10);
    unsigned long long ticks = start_ticks(pid);
    printf("%.*s %ld %s %llu\n", (int)strcspn(name, "\""), name, pid, ticks ? "alive" : "dead", ticks);
  }
  return 0;
}

/* The same walk, with a look at the log of each record; then the text is written whole beside the file, synced, renamed
 * over it, and the folder synced. */
static int sweep(char *path) {
  static const char name_key[] = "{\"name\":\"", pid_key[] = "\"pid\":", log_key[] = "\"log_path\":\"";
  char *text = read_whole(path), *at = text, temporary[4096], log[4096];
  unsigned long long alive = 0, large = 0;
  while ((at = strstr(at, name_key)) != NULL) {
    struct stat about;
    char *pid = strstr(at, pid_key), *named = strstr(at, log_key);
    if (!pid || !named) break;
    alive += start_ticks(strtol(pid + sizeof pid_key - 1, NULL, 10)) != 0;
    named += sizeof log_key - 1;
    snprintf(log, sizeof log, "%.*s", (int)strcspn(named, "\""), named);
    large += stat(log, &about) == 0 && about.st_size > 10485760;
    at = named;
  }
  snprintf(temporary, sizeof temporary, "%s.bare", path);
  int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  size_t length = strlen(text);
  if (file < 0 || write(file, text, length) != (ssize_t)length || fsync(file) != 0 || rename(temporary, path) != 0) return 74;
  close(file);
  *strrchr(path, '/') = 0;
  int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0 || fsync(folder) != 0) return 74;
  printf("%llu alive, %llu large\n", alive, large);
  return 0;
}

static struct sockaddr_in loopback(const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static int serve(const char *port) {
  static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
  struct sockaddr_in address = loopback(port);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 128) != 0) return 69;
  for (;;) {
    char request[4096];
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) continue;
    if (recv(client, request, sizeof request, 0) > 0) send(client, answer, sizeof answer - 1, MSG_NOSIGNAL);
    close(client);
  }
}

/* Whether the server answers 200. */
static int is_up(const char *port) {
  static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
  struct sockaddr_in address = loopback(port);
  char answer[512] = "";
  int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(client, (struct sockaddr *)&address, sizeof address) == 0 &&
      send(client, request, sizeof request - 1, MSG_NOSIGNAL) > 0 && recv(client, answer, sizeof answer - 1, 0) < 0)
    answer[0] = 0;
  close(client);
  return strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

static int await(const char *port, char **argv) {
  static const struct timespec pause = {.tv_nsec = 200000};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  pid_t pid;
  posix_spawn_file_actions_init(&actions);
  for (int stream = 0; stream < 3; stream++) posix_spawn_file_actions_addopen(&actions, stream, "/dev/null", O_RDWR, 0);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  if (posix_spawn(&pid, argv[0], &actions, &attributes, argv, environ) != 0) return 71;
  while (!is_up(port)) nanosleep(&pause, NULL);
  printf("%d\n", (int)pid);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "list")) return list(argv[2]);
  if (argc == 3 && !strcmp(argv[1], "sweep")) return sweep(argv[2]);
  if (argc == 3 && !strcmp(argv[1], "serve")) return serve(argv[2]);
  if (argc > 3 && !strcmp(argv[1], "await")) return await(argv[2], argv + 3);
  fputs("usage: floor list STATE | sweep STATE | serve PORT | await PORT ARGV...\n", stderr);
  return 64;
}
