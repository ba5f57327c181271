// SPDX-License-Identifier: Apache-2.0
// PID 1 of the guest of the vsock tests: serves streams at port 5000 and SEQPACKET at port 5001,
// each connection by its first byte or message, and dials the host when told to.
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* After sys/socket.h, whose struct sockaddr it needs. */
#include <linux/vm_sockets.h>

/*
 * A job is 'e' echo until end of file, then close; 's' sum: read until end of file, answer the
 * checksum and length as text, close; 'g' le32 n: give n bytes of the pattern, close; 'd' le32
 * port, le32 n: dial that port of the host n times, stream or SEQPACKET as this connection is, and
 * echo on those; 'r' le32 ms: wait, then as 's'; 'p': power off.
 */
#define STREAM_PORT 5000
#define MESSAGE_PORT 5001
#define CONNS_MAX 1200

struct conn {
	int type;
	uint8_t job;
	uint32_t sum;
	uint64_t len;
	uint64_t give, given;
};

static struct pollfd fds[CONNS_MAX];
static struct conn conns[CONNS_MAX];
static int count;
static uint8_t data[65536];

static uint8_t pattern(uint64_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

static struct sockaddr_vm address(uint32_t cid, uint32_t port)
{
	return (struct sockaddr_vm){.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
}

static void add(int fd, int type, uint8_t job)
{
	if (fd < 0 || count == CONNS_MAX) {
		dprintf(1, "guest: a connection failed: %s\n", strerror(errno));
		if (fd >= 0)
			close(fd);
		return;
	}
	fds[count] = (struct pollfd){.fd = fd, .events = POLLIN};
	conns[count++] = (struct conn){.type = type, .job = job, .sum = 1};
}

static void drop(int i)
{
	close(fds[i].fd);
	fds[i].fd = -1;
}

static void listen_at(int type, uint32_t port)
{
	struct sockaddr_vm addr = address(VMADDR_CID_ANY, port);
	int fd = socket(AF_VSOCK, type, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1100) < 0)
		dprintf(1, "guest: can't listen at %u: %s\n", port, strerror(errno));
	add(fd, type, 'l');
}

static void dial(int type, uint32_t port, uint32_t n)
{
	while (n--) {
		struct sockaddr_vm addr = address(VMADDR_CID_HOST, port);
		int fd = socket(AF_VSOCK, type, 0);

		if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
			dprintf(1, "guest: dialing %u: %s\n", port, strerror(errno));
			close(fd);
			continue;
		}
		add(fd, type, 'e');
	}
}

static bool write_all(int fd, const void *from, size_t n)
{
	const uint8_t *p = from;

	while (n) {
		ssize_t r = write(fd, p, n);

		if (r <= 0)
			return false;
		p += r;
		n -= (size_t)r;
	}
	return true;
}

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The first bytes tell the job. Return: how many they were. */
static ssize_t begin(int i, ssize_t n)
{
	struct conn *conn = &conns[i];

	conn->job = data[0];
	switch (conn->job) {
	case 'g':
		conn->give = le32(data + 1);
		fds[i].events = POLLOUT;
		return 5;
	case 'r':
		usleep(le32(data + 1) * 1000);
		conn->job = 's';
		return 5;
	case 'd':
		dial(conn->type, le32(data + 1), le32(data + 5));
		drop(i);
		return n;
	case 'p':
		reboot(RB_POWER_OFF);
		return n;
	default:
		return 1;
	}
}

static void give(int i)
{
	struct conn *conn = &conns[i];
	size_t n = conn->give - conn->given < sizeof(data) ? (size_t)(conn->give - conn->given)
							   : sizeof(data);

	for (size_t k = 0; k < n; k++)
		data[k] = pattern(conn->given + k);
	conn->given += n;
	if (!n || !write_all(fds[i].fd, data, n))
		drop(i);
}

/* Adler-32, as Python's zlib has it; the sums are reduced often enough not to wrap. */
static uint32_t adler(uint32_t sum, const uint8_t *p, size_t n)
{
	uint32_t a = sum & 0xffff, b = sum >> 16;

	while (n) {
		size_t part = n < 4000 ? n : 4000;

		n -= part;
		while (part--) {
			a += *p++;
			b += a;
		}
		a %= 65521;
		b %= 65521;
	}
	return b << 16 | a;
}

static void ready(int i)
{
	struct conn *conn = &conns[i];
	uint8_t *p = data;
	char text[64];
	ssize_t n, head;

	if (conn->job == 'l') {
		add(accept(fds[i].fd, NULL, NULL), conn->type, 0);
		return;
	}
	if (conn->job == 'g') {
		give(i);
		return;
	}
	n = read(fds[i].fd, data, sizeof(data));
	if (n > 0 && !conn->job) {
		head = begin(i, n);
		/* The job of a SEQPACKET connection is a message of its own. */
		if (fds[i].fd < 0 || head >= n)
			return;
		p += head;
		n -= head;
	}
	if (n > 0) {
		if (conn->job == 'e' && !write_all(fds[i].fd, p, (size_t)n))
			drop(i);
		conn->sum = adler(conn->sum, p, (size_t)n);
		conn->len += (uint64_t)n;
		return;
	}
	if (n == 0 && conn->job == 's') {
		n = snprintf(text, sizeof(text), "%08x %llu\n", conn->sum,
			(unsigned long long)conn->len);
		write_all(fds[i].fd, text, (size_t)n);
	}
	drop(i);
}

int main(void)
{
	const struct rlimit limit = {4096, 4096};

	setrlimit(RLIMIT_NOFILE, &limit);
	listen_at(SOCK_STREAM, STREAM_PORT);
	listen_at(SOCK_SEQPACKET, MESSAGE_PORT);
	dprintf(1, "guest: ready\n");
	for (;;) {
		int kept = 0, was = count;

		if (poll(fds, (nfds_t)count, -1) < 0)
			return 1;
		for (int i = 0; i < was; i++)
			if (fds[i].fd >= 0 && fds[i].revents)
				ready(i);
		for (int i = 0; i < count; i++) {
			if (fds[i].fd < 0)
				continue;
			fds[kept] = fds[i];
			conns[kept++] = conns[i];
		}
		count = kept;
	}
}
