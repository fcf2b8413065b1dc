/* All that runs in the handler is async-signal-safe: no stdio, no memory from the heap, no ncurses. */
#include "tools/cli/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "tools/cli/terminal.h"

static volatile sig_atomic_t screen_is_on, has_terminal;
static struct termios terminal;
static void (*clean_up)(void);

void mapped_screen(bool is_on) { screen_is_on = is_on; }

/* ---- Reading /proc/self/maps: "START-END PERMISSIONS OFFSET DEVICE INODE      PATH\n", numbers in base 16 ---- */

typedef struct {
    int file;
    size_t at, size;
    char bytes[1024];
} Reader;

/* -1 at the end. */
static int next_byte(Reader *reader) {
    if (reader->at == reader->size) {
        ssize_t got;
        do got = read(reader->file, reader->bytes, sizeof reader->bytes);
        while (got < 0 && errno == EINTR);
        reader->at = 0;
        reader->size = got > 0 ? (size_t)got : 0;
        if (got <= 0) return -1;
    }
    return (unsigned char)reader->bytes[reader->at++];
}

/* Reads digits and the byte after them, which is returned. */
static int next_number(Reader *reader, uintptr_t *number) {
    *number = 0;
    for (;;) {
        int c = next_byte(reader), digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) return c;
        *number = *number << 4 | (uintptr_t)digit;
    }
}

static int skip_to(Reader *reader, int wanted) {
    int c;
    while ((c = next_byte(reader)) != wanted && c != '\n' && c >= 0) continue;
    return c;
}

typedef struct {
    uintptr_t start, end, offset;
    char path[PATH_MAX + 16]; /* empty: no file; cut where it is too long */
} Mapping;

static bool next_mapping(Reader *reader, Mapping *m) {
    size_t length = 0;
    int c = next_number(reader, &m->start);
    if (c < 0) return false;
    next_number(reader, &m->end);
    skip_to(reader, ' ');
    next_number(reader, &m->offset);
    skip_to(reader, ' ');     /* the device */
    c = skip_to(reader, ' '); /* the inode; a line without a path may end here */
    while (c == ' ') c = next_byte(reader);
    for (; c >= 0 && c != '\n'; c = next_byte(reader))
        if (length + 1 < sizeof m->path) m->path[length++] = (char)c;
    m->path[length] = '\0';
    return true;
}

/* The mapping of a file that holds the address. */
static bool find_mapping(Mapping *m, uintptr_t address) {
    Reader reader = {.file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)};
    bool found = false;
    if (reader.file < 0) return false;
    while (!found && next_mapping(&reader, m)) found = address >= m->start && address < m->end;
    close(reader.file);
    return found && m->path[0] == '/';
}

/* ---- The end ---- */

static void say(const char *text) {
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
}

/* As tensor/error.c: names come from outside. */
static void make_printable(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f) *text = '?';
}

/* The alternate screen, the cursor, the colours and the keypad as they were, for terminals that know the sequences of
 * xterm (all common ones), then the line discipline. */
static void leave_screen(void) {
    static const char usual[] = "\033[?1049l\033[?25h\033[0m\033[?1l\033>\r";
    ssize_t ignored = write(STDOUT_FILENO, usual, sizeof usual - 1);
    (void)ignored;
    if (has_terminal) tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
}

/* If not, the disk or the network failed to deliver the page. */
static bool became_shorter(const Mapping *m, uintptr_t address) {
    struct stat info;
    return stat(m->path, &info) != 0 || (uintptr_t)info.st_size <= m->offset + (address - m->start);
}

static void on_bus_error(int signal_number, siginfo_t *info, void *context) {
    static volatile int taken; /* several threads may read the same file */
    static Mapping mapping;
    uintptr_t address = (uintptr_t)info->si_addr;
    (void)context;
    while (__atomic_exchange_n(&taken, 1, __ATOMIC_ACQ_REL)) pause();
    if (info->si_code != BUS_ADRERR || !find_mapping(&mapping, address)) {
        signal(signal_number, SIG_DFL);
        raise(signal_number); /* once this handler returns */
        return;
    }
    bool shorter = became_shorter(&mapping, address);
    make_printable(mapping.path);
    if (screen_is_on) leave_screen();
    clean_up();
    terminal_clear_at_once();
    say("foretell: ");
    say(mapping.path);
    say(shorter ? ": became shorter while it was read\n" : ": input/output error\n");
    _exit(1);
}

void mapped_guard(void (*remove_outputs)(void)) {
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask);
    clean_up = remove_outputs;
    has_terminal = tcgetattr(STDIN_FILENO, &terminal) == 0;
    sigaction(SIGBUS, &action, NULL);
}
