// SPDX-License-Identifier: Apache-2.0
// PID 1 of a test's guest: does the one thing that "probe=WORD" on the kernel command line names,
// or the file /probe in the initramfs, tells on the console what it saw, and powers off.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

/* After sys/socket.h, whose struct sockaddr it needs. */
#include <linux/vm_sockets.h>

#define PAGE_SIZE 4096ull
#define PATTERN_SIZE (1u << 20)
/* Where the guest listens, and where the host does. */
#define GUEST_PORT 5000
#define HOST_PORT 6000

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	char text[256];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (write(STDOUT_FILENO, text, (size_t)n) < 0)
		_exit(1);
}

static void fail(const char *what)
{
	say("probe: %s: %s\n", what, strerror(errno));
}

static void power_off(void)
{
	reboot(RB_POWER_OFF);
}

static void restart(void)
{
	reboot(RB_AUTOBOOT);
}

static void hang(void)
{
	say("probe: hanging\n");
	for (;;)
		pause();
}

/* How many CPUs a process can be bound to and then really runs on. */
static int count_cpus(void)
{
	int count = 0;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (!sched_setaffinity(0, sizeof(set), &set) && sched_getcpu() == cpu)
			count++;
	}
	return count;
}

/* For a machine with so many CPUs that binding a process to each takes minutes in an emulated host.
 */
static void online(void)
{
	say("probe: online %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
	power_off();
}

static void info(void)
{
	struct sysinfo si;

	sysinfo(&si);
	say("probe: cpus %d\n", count_cpus());
	say("probe: memory %llu MiB\n", (unsigned long long)si.totalram * si.mem_unit >> 20);
	say("probe: acpi %s\n", access("/sys/firmware/acpi/tables", F_OK) ? "no" : "yes");
	say("probe: disks %s%s\n", access("/dev/vda", F_OK) ? "" : "vda",
		access("/dev/vdb", F_OK) ? "" : " vdb");
	power_off();
}

/* Fill nine tenths of the memory, a word in each page, read all back, and tell the highest physical
 * address. */
static void memory(void)
{
	uint64_t size, entry, highest = 0;
	struct sysinfo si;
	uint64_t *words;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	sysinfo(&si);
	size = (uint64_t)si.freeram * si.mem_unit / 10 * 9 & ~(PAGE_SIZE - 1);
	words = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (fd < 0 || words == MAP_FAILED) {
		fail("memory");
		return;
	}
	/* Two MiB at a time: a fault for each page would take minutes on an emulated host. */
	madvise(words, size, MADV_HUGEPAGE);
	for (uint64_t at = 0; at < size; at += PAGE_SIZE)
		words[at / sizeof(*words)] = at * 0x9e3779b97f4a7c15ull;
	for (uint64_t at = 0; at < size; at += PAGE_SIZE) {
		if (words[at / sizeof(*words)] != at * 0x9e3779b97f4a7c15ull) {
			say("probe: memory differs at %llu\n", (unsigned long long)at);
			return;
		}
	}
	for (uint64_t at = 0; at < size; at += 512 * PAGE_SIZE) {
		uint64_t page = ((uintptr_t)words + at) / PAGE_SIZE;

		if (pread(fd, &entry, sizeof(entry), (off_t)(page * sizeof(entry))) !=
			sizeof(entry))
			break;
		entry &= (1ull << 55) - 1;
		if (entry > highest)
			highest = entry;
	}
	say("probe: wrote %llu MiB, highest at %llu MiB\n", (unsigned long long)size >> 20,
		(unsigned long long)(highest * PAGE_SIZE) >> 20);
	power_off();
}

static uint8_t pattern_byte(uint32_t i)
{
	return (uint8_t)((i * 2654435761u) >> 24);
}

static bool disk_write(const char *path, uint8_t *data)
{
	int fd = open(path, O_RDWR);
	bool good;

	for (uint32_t i = 0; i < PATTERN_SIZE; i++)
		data[i] = pattern_byte(i);
	good = fd >= 0 && pwrite(fd, data, PATTERN_SIZE, PATTERN_SIZE) == PATTERN_SIZE &&
	       !fsync(fd);
	close(fd);
	return good;
}

static bool disk_check(const char *path, uint8_t *data)
{
	int fd = open(path, O_RDONLY | O_DIRECT);
	bool good = fd >= 0 && pread(fd, data, PATTERN_SIZE, PATTERN_SIZE) == PATTERN_SIZE;

	for (uint32_t i = 0; i < PATTERN_SIZE && good; i++)
		good = data[i] == pattern_byte(i);
	close(fd);
	return good;
}

/* The first disk is written, the second can't be. */
static void disks(void)
{
	uint8_t *data = mmap(
		NULL, PATTERN_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char text[32] = "";
	int fd;

	say("probe: vda write %s\n", disk_write("/dev/vda", data) ? "good" : strerror(errno));
	say("probe: vda read %s\n", disk_check("/dev/vda", data) ? "good" : "bad");
	fd = open("/dev/vdb", O_RDONLY);
	if (fd >= 0 && pread(fd, text, sizeof(text) - 1, 0) > 0)
		say("probe: vdb begins %s\n", text);
	close(fd);
	fd = open("/dev/vdb", O_RDWR);
	/* Linux opens a read-only disk for writing, and refuses the write. */
	say("probe: vdb write: %s\n",
		fd < 0 || pwrite(fd, text, sizeof(text), 0) < 0 ? strerror(errno) : "possible");
	say("probe: flushed\n");
}

static void disk(void)
{
	disks();
	power_off();
}

static void disk_hold(void)
{
	disks();
	hang();
}

static int vsock_socket(uint32_t cid, uint32_t port, bool listening)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
	const struct sockaddr *a = (const struct sockaddr *)&address;
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (fd < 0)
		return -1;
	if (listening ? bind(fd, a, sizeof(address)) || listen(fd, 8)
		      : connect(fd, a, sizeof(address))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Listens, greets the host at its port, and then sends back to one connection what that sends. */
static void vsock(void)
{
	char text[4096];
	ssize_t n;
	int listener = vsock_socket(VMADDR_CID_ANY, GUEST_PORT, true);
	int fd = vsock_socket(VMADDR_CID_HOST, HOST_PORT, false);

	if (listener < 0 || fd < 0 || write(fd, "hello host\n", 11) != 11) {
		fail("vsock");
		return;
	}
	n = read(fd, text, sizeof(text));
	say("probe: the host said %.*s\n", n < 0 ? 0 : (int)n, text);
	close(fd);
	if (vsock_socket(VMADDR_CID_HOST, HOST_PORT + 1, false) < 0)
		say("probe: nobody there: %s\n", strerror(errno));
	fd = accept(listener, NULL, NULL);
	while ((n = read(fd, text, sizeof(text))) > 0)
		for (ssize_t done = 0, put; done < n; done += put) {
			put = write(fd, text + done, (size_t)(n - done));
			if (put <= 0) {
				fail("echo");
				return;
			}
		}
	close(fd);
	power_off();
}

/* Sends back a line from the console. */
static void console(void)
{
	char line[128];

	say("probe: type\n");
	if (fgets(line, sizeof(line), stdin))
		say("probe: typed %s\n", line);
	power_off();
}

/* Tell each line of a file that begins with one of the words, without its blanks at either end. */
static void tell_lines(const char *path, const char *a, const char *b)
{
	char line[4096];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file)) {
		char *text = line + strspn(line, " \t");

		text[strcspn(text, "\n")] = '\0';
		if (!strncmp(text, a, strlen(a)) || !strncmp(text, b, strlen(b)))
			say("probe: %s\n", text);
	}
	if (file)
		fclose(file);
}

static bool cpu_has(const char *flag)
{
	char *line = NULL, *word, *saved;
	size_t size = 0;
	bool found = false;
	FILE *file = fopen("/proc/cpuinfo", "r");

	while (file && getline(&line, &size, file) > 0 && strncmp(line, "flags", 5))
		continue;
	for (word = strtok_r(line, " \t\n", &saved); word; word = strtok_r(NULL, " \t\n", &saved))
		found |= !strcmp(word, flag);
	return found;
}

static uint8_t port_in(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void port_out(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

/* What kind of machine this is: CPU features and topology, and its memory map. */
static void machine(void)
{
	static const char *const flags[] = {
		"hypervisor", "x2apic", "tsc_deadline_timer", "svm", "vmx"};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		say("probe: %s %s\n", flags[i], cpu_has(flags[i]) ? "yes" : "no");
	tell_lines("/proc/cpuinfo", "physical id", "core id");
	tell_lines("/proc/cpuinfo", "siblings", "cpu cores");
	tell_lines("/sys/devices/system/cpu/cpu0/cache/index3/shared_cpu_list", "", "");
	say("probe: vmgenid %s\n",
		access("/sys/bus/platform/drivers/vmgenid/HULL0001:00", F_OK) ? "no" : "yes");
	tell_lines("/proc/iomem", "0", "1");
	power_off();
}

/* Which parts of a PC there are, for a kernel that lets a process use ports. */
static void ports(void)
{
	if (ioperm(0, 0x400, 1))
		fail("ports");
	/* A PIC keeps its mask; a timer's count and a clock's status read as something. */
	port_out(0x21, 0xa5);
	say("probe: pic %s\n", port_in(0x21) == 0xa5 ? "yes" : "no");
	say("probe: pit %s\n",
		(port_in(0x40) & port_in(0x40) & port_in(0x40)) == 0xff ? "no" : "yes");
	port_out(0x70, 0x0d);
	say("probe: rtc %s\n", port_in(0x71) == 0x80 ? "yes" : "no");
	port_out(0x64, 0xaa);
	say("probe: keyboard controller %s\n", port_in(0x60) == 0x55 ? "yes" : "no");
	power_off();
}

static unsigned int count_names(const char *folder)
{
	DIR *dir = opendir(folder);
	unsigned int count = 0;

	for (struct dirent *entry; dir && (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}

static bool read_random(uint8_t *data, size_t size)
{
	int fd = open("/dev/hwrng", O_RDONLY);

	for (size_t n = 0; n < size;) {
		ssize_t got = read(fd, data + n, size - n);

		if (got <= 0) {
			fail("hwrng");
			return false;
		}
		n += (size_t)got;
	}
	close(fd);
	return true;
}

/* Write, read back and compare on all disks at once, over and over. */
static void load(void)
{
	uint8_t *data = mmap(
		NULL, PATTERN_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char path[] = "/dev/vda";
	int disks = 0, good = 0, status;

	for (; path[7] <= 'z' && !access(path, F_OK); path[7]++, disks++) {
		if (fork())
			continue;
		for (int round = 0; round < 3; round++)
			if (!disk_write(path, data) || !disk_check(path, data))
				_exit(1);
		_exit(0);
	}
	for (int i = 0; i < disks; i++)
		good += wait(&status) > 0 && !status;
	say("probe: %d disks, %d good\n", disks, good);
	say("probe: %u virtio devices\n", count_names("/sys/bus/virtio/devices"));
	if (!access("/dev/hwrng", F_OK) && read_random(data, 64))
		say("probe: 512 random bits\n");
	tell_lines("/proc/interrupts", "CPU", "ERR");
	/* Without ACPI a machine can only reset. */
	if (access("/sys/firmware/acpi/tables", F_OK))
		restart();
	power_off();
}

static void wait_for_line(void)
{
	char line[16];

	if (!fgets(line, sizeof(line), stdin))
		pause();
}

/* Use @mib of memory, and free it again. */
static void use_memory(size_t mib)
{
	size_t size = mib << 20;
	uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		fail("memory");
		return;
	}
	madvise(p, size, MADV_HUGEPAGE);
	for (size_t at = 0; at < size; at += PAGE_SIZE)
		p[at] = 1;
	say("probe: used\n");
	wait_for_line();
	munmap(p, size);
	say("probe: freed\n");
}

static void free_pages(void)
{
	use_memory(160);
	wait_for_line();
	/* They are still good for something. */
	use_memory(160);
	power_off();
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(path);
	close(fd);
}

static unsigned long long free_mib(void)
{
	struct sysinfo si;

	sysinfo(&si);
	return (unsigned long long)si.freeram * si.mem_unit >> 20;
}

#define BALLOON_DRIVER "/sys/bus/virtio/drivers/virtio_balloon/"

/* Take the balloon's driver away, use memory, and let the balloon have what is free then. */
static void balloon(void)
{
	char name[] = "virtio0";

	for (; name[6] < '9'; name[6]++) {
		char path[128];

		snprintf(path, sizeof(path), BALLOON_DRIVER "%s", name);
		if (!access(path, F_OK))
			break;
	}
	write_file(BALLOON_DRIVER "unbind", name);
	say("probe: unbound, free %llu MiB\n", free_mib());
	use_memory(160);
	wait_for_line();
	write_file(BALLOON_DRIVER "bind", name);
	say("probe: bound\n");
	wait_for_line();
	say("probe: inflated, free %llu MiB\n", free_mib());
	write_file(BALLOON_DRIVER "unbind", name);
	say("probe: deflated, free %llu MiB\n", free_mib());
	use_memory(160);
	power_off();
}

static void rng(void)
{
	uint8_t data[64] = {0};
	unsigned int set = 0;
	char name[64] = "";
	int fd = open("/sys/class/misc/hw_random/rng_current", O_RDONLY);

	if (read(fd, name, sizeof(name) - 1) < 0)
		fail("rng_current");
	close(fd);
	say("probe: rng %s", name);
	if (!read_random(data, sizeof(data)))
		return;
	for (size_t i = 0; i < sizeof(data); i++)
		set += (unsigned int)__builtin_popcount(data[i]);
	say("probe: bits %u of 512\n", set);
	power_off();
}

/* Linux asks for random numbers by itself, at first every 5 s: a guest that does is not idle. */
static void idle(void)
{
	struct ifreq ifr = {.ifr_name = "eth0", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	/* An interface that is up and has no address sends nothing but IPv6's. */
	write_file("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	if (!ioctl(fd, SIOCSIFFLAGS, &ifr))
		say("probe: eth0 up\n");
	close(fd);
	write_file("/sys/class/misc/hw_random/rng_current", "none");
	say("probe: idle\n");
	for (;;)
		pause();
}

/* More output than a reader that stopped has room for. */
static void flood(void)
{
	static char line[1000];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 80; i++)
		if (write(STDOUT_FILENO, line, sizeof(line)) < 0)
			return;
	power_off();
}

static const struct {
	const char *word;
	void (*run)(void);
} probes[] = {
	{"poweroff", power_off},
	{"reboot", restart},
	{"hang", hang},
	{"info", info},
	{"online", online},
	{"memory", memory},
	{"machine", machine},
	{"ports", ports},
	{"load", load},
	{"disk", disk},
	{"disk-hold", disk_hold},
	{"vsock", vsock},
	{"console", console},
	{"free-pages", free_pages},
	{"balloon", balloon},
	{"rng", rng},
	{"idle", idle},
	{"flood", flood},
};

static const char *find_word(void)
{
	static char text[32];
	const char *word = getenv("probe");
	int fd;

	if (word)
		return word;
	fd = open("/probe", O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return "poweroff";
	return text;
}

int main(void)
{
	const char *word = find_word();

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++)
		if (!strcmp(probes[i].word, word))
			probes[i].run();
	/* "panic", among others: the end of PID 1 is one. */
	return 1;
}
