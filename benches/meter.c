// What is measured inside the guest, where one instruction is one nanosecond.
//
//   meter loop PORT COUNT
//       Sends COUNT UDP packets over loopback and takes each out again. Prints
//       PATH ALL RECEIVED: nanoseconds per packet in this thread (sending,
//       receiving, and all that the kernel does in between, probes too), the
//       same by the clock (other processes too: there is one processor), and
//       how many packets arrived.
//   meter start out|err TEXT COMMAND…
//       Starts COMMAND, waits for TEXT in its output, prints NANOSECONDS PID.
//       Goes on reading until COMMAND ends; SIGTERM becomes its SIGINT.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Packets before the clock is read: caches of routes and of the translator.
#define WARM_UP 500
#define PAYLOAD 18

static pid_t child;

static int64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int loop(int port, int count)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int out = socket(AF_INET, SOCK_DGRAM, 0), in = socket(AF_INET, SOCK_DGRAM, 0);
	int64_t path = 0, all = 0;
	char bytes[64] = { 0 };
	int received = 0;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(in, (void *)&to, sizeof(to)) || connect(out, (void *)&to, sizeof(to)))
		return fail("meter: sockets");
	for (int i = -WARM_UP; i < count; i++) {
		if (i == 0) {
			path = now(CLOCK_THREAD_CPUTIME_ID);
			all = now(CLOCK_MONOTONIC);
			received = 0;
		}
		// a rule that drops on the way out would make it EPERM: no matter
		send(out, bytes, PAYLOAD, 0);
		received += recv(in, bytes, sizeof(bytes), MSG_DONTWAIT) > 0;
	}
	all = now(CLOCK_MONOTONIC) - all;
	path = now(CLOCK_THREAD_CPUTIME_ID) - path;
	printf("%.0f %.0f %d\n", (double)path / count, (double)all / count, received);
	return 0;
}

static void end_child(int number)
{
	(void)number;
	kill(child, SIGINT);
}

static int start(int stream, const char *text, char **command)
{
	static char seen[1 << 16];
	size_t have = 0, keep = strlen(text) - 1;
	int ends[2], status, found = 0;
	int64_t begin = now(CLOCK_MONOTONIC);
	ssize_t n;

	if (pipe(ends))
		return fail("meter: pipe");
	child = fork();
	if (child < 0)
		return fail("meter: fork");
	if (!child) {
		// what nobody reads must not fill a pipe
		dup2(open("/dev/null", O_WRONLY), 3 - stream);
		dup2(ends[1], stream);
		close(ends[0]);
		close(ends[1]);
		execvp(command[0], command);
		_exit(fail(command[0]));
	}
	close(ends[1]);
	signal(SIGTERM, end_child);
	while ((n = read(ends[0], seen + have, sizeof(seen) - have)) > 0) {
		if (found)
			continue;
		have += n;
		if (memmem(seen, have, text, strlen(text))) {
			printf("%lld %d\n", (long long)(now(CLOCK_MONOTONIC) - begin), child);
			fflush(stdout);
			found = 1;
			have = 0;
		} else if (have > sizeof(seen) / 2) {
			memmove(seen, seen + have - keep, keep);
			have = keep;
		}
	}
	if (!found)
		fprintf(stderr, "meter: '%s' did not come: %.*s\n", text, (int)have, seen);
	waitpid(child, &status, 0);
	return !found;
}

int main(int count, char **word)
{
	if (count == 4 && !strcmp(word[1], "loop"))
		return loop(atoi(word[2]), atoi(word[3]));
	if (count > 4 && !strcmp(word[1], "start"))
		return start(!strcmp(word[2], "err") ? 2 : 1, word[3], word + 4);
	fprintf(stderr, "meter: see the head of benches/meter.c\n");
	return 2;
}
