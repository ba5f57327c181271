// SPDX-License-Identifier: Apache-2.0
// A client of hull-vmm's API.
#include "cli/api_client.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* hull-vmm's heads have some two hundred bytes. */
#define HEAD_MAX 1024
#define READ_SIZE 4096
/* A request's body: a signal, a size, an action. */
#define REQUEST_MAX 512

static void client_end(struct api_client *client)
{
	int fd = client->src.fd;

	if (!client->src.fn)
		return;
	loop_del(client->loop, &client->src);
	close(fd);
	client->ended(client);
}

/* Return: the length of the head at the front of @text, 0 if it isn't whole yet. */
static size_t head_len(const char *text, size_t len)
{
	const char *end = memmem(text, len, "\r\n\r\n", 4);

	return end ? (size_t)(end - text) + 4 : 0;
}

/* Return: the number of "HTTP/1.1 200 ...", or -EPROTO. @head ends in NUL. */
static int head_status(const char *head)
{
	static const char version[] = "HTTP/1.1 ";
	unsigned long status;
	char *end;

	if (strncmp(head, version, sizeof(version) - 1) != 0)
		return -EPROTO;
	status = strtoul(head + sizeof(version) - 1, &end, 10);
	return end == head + sizeof(version) + 2 && status >= 100 ? (int)status : -EPROTO;
}

/* Return: bytes of the body, or -EPROTO. */
static long head_body_len(const char *head)
{
	static const char name[] = "\r\nContent-Length: ";
	const char *at = strcasestr(head, name);
	unsigned long len;
	char *end;

	if (!at)
		return 0;
	at += sizeof(name) - 1;
	len = strtoul(at, &end, 10);
	if (*at < '0' || *at > '9' || *end != '\r' || len > API_CLIENT_ANSWER_MAX - HEAD_MAX)
		return -EPROTO;
	return (long)len;
}

/* Take one answer from the front. Return: 1; 0 if it isn't whole yet; -EPROTO. */
static int take_answer(struct api_client *client)
{
	json_t *body = NULL;
	char head[HEAD_MAX];
	api_client_fn *answered;
	size_t len = head_len((char *)client->in.data, client->in.len);
	long body_len;
	int status;

	if (!len)
		return client->in.len < HEAD_MAX ? 0 : -EPROTO;
	if (len >= sizeof(head) || !client->count)
		return -EPROTO;
	memcpy(head, client->in.data, len);
	head[len] = '\0';
	status = head_status(head);
	body_len = head_body_len(head);
	if (status < 0 || body_len < 0)
		return -EPROTO;
	if (client->in.len - len < (size_t)body_len)
		return 0;
	if (body_len)
		body = json_loadb((char *)client->in.data + len, (size_t)body_len, 0, NULL);
	buf_drop(&client->in, len + (size_t)body_len);
	answered = client->pending[client->first];
	client->first = (client->first + 1) % API_CLIENT_PENDING_MAX;
	client->count--;
	if (answered)
		answered(client, (unsigned int)status, body);
	json_decref(body);
	return 1;
}

/* Return: 0 or -errno. */
static int flush(struct api_client *client)
{
	while (client->out.len) {
		ssize_t n = send(client->src.fd, client->out.data, client->out.len,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			buf_drop(&client->out, (size_t)n);
	}
	loop_mod(client->loop, &client->src, EPOLLIN | (client->out.len ? EPOLLOUT : 0));
	return 0;
}

void api_client_read(struct api_client *client)
{
	ssize_t n = -1;
	int r;

	while (client->src.fn) {
		if (buf_reserve(&client->in, READ_SIZE) == 0)
			n = recv(client->src.fd, client->in.data + client->in.len, READ_SIZE,
				MSG_DONTWAIT);
		else
			errno = ENOMEM;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n > 0)
			client->in.len += (size_t)n;
		while ((r = n > 0 ? take_answer(client) : -EPIPE) > 0)
			if (!client->src.fn)
				return;
		if (r < 0)
			client_end(client);
	}
}

static void on_event(struct loop_source *src, uint32_t events)
{
	struct api_client *client = container_of(src, struct api_client, src);

	if (events & EPOLLOUT && flush(client) < 0) {
		client_end(client);
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		api_client_read(client);
}

int api_client_init(struct api_client *client, struct loop *loop, int fd,
	void (*ended)(struct api_client *client))
{
	*client = (struct api_client){
		.loop = loop,
		.ended = ended,
		.in = BUF_INIT(API_CLIENT_ANSWER_MAX + READ_SIZE),
		.out = BUF_INIT(API_CLIENT_PENDING_MAX * (HEAD_MAX + REQUEST_MAX)),
	};
	return loop_add(loop, &client->src, fd, EPOLLIN, on_event);
}

void api_client_fini(struct api_client *client)
{
	int fd = client->src.fd;

	if (!client->loop)
		return;
	if (client->src.fn) {
		loop_del(client->loop, &client->src);
		close(fd);
	}
	buf_fini(&client->in);
	buf_fini(&client->out);
	client->loop = NULL;
}

int api_client_send(struct api_client *client, const char *method, const char *path,
	const char *body, api_client_fn *answered)
{
	int r;

	if (!client->src.fn)
		return -ENOTCONN;
	if (client->count == API_CLIENT_PENDING_MAX)
		return -EBUSY;
	r = buf_printf(&client->out,
		"%s %s HTTP/1.1\r\nHost: hull\r\nContent-Length: %zu\r\n\r\n%s", method, path,
		body ? strlen(body) : 0, body ? body : "");
	if (r < 0)
		return r;
	client->pending[(client->first + client->count++) % API_CLIENT_PENDING_MAX] = answered;
	/* Where that fails, the end of the connection will be seen by the loop. */
	return flush(client);
}

int api_client_upgrade(int fd, const char *path)
{
	char text[HEAD_MAX];
	int len = snprintf(text, sizeof(text),
		"POST %s HTTP/1.1\r\nHost: hull\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
		"Content-Length: 0\r\n\r\n",
		path);
	ssize_t n = send(fd, text, (size_t)len, MSG_NOSIGNAL);

	return n == len ? 0 : n < 0 ? -errno : -EIO;
}

int api_client_upgraded(int fd)
{
	char text[HEAD_MAX + 1];
	ssize_t n = recv(fd, text, HEAD_MAX, MSG_PEEK | MSG_DONTWAIT);
	size_t len = n > 0 ? head_len(text, (size_t)n) : 0;

	if (n < 0)
		return -errno;
	if (!len)
		return -EPROTO;
	text[len] = '\0';
	if (head_status(text) != 101)
		return -EPROTO;
	/* Nothing behind the head is taken. */
	return recv(fd, text, len, MSG_DONTWAIT) == (ssize_t)len ? 0 : -EPROTO;
}
