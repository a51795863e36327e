// Builds a filter with libseccomp, for comparison only. Reads from stdin, one item a line:
//   init ACTION | arch TOKEN | rule ACTION NAME N (ARG OP A B)*N | knows ARCH_TOKEN NAME
// and writes the BPF program to stdout; "knows" lines write "NAME NUMBER" instead.
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fail(const char *what, const char *name, int rc) {
    fprintf(stderr, "%s %s: %s\n", what, name, strerror(-rc));
    exit(1);
}

int main(void) {
    scmp_filter_ctx ctx = NULL;
    char word[16], name[64];
    while (scanf("%15s", word) == 1) {
        if (!strcmp(word, "init")) {
            uint32_t action;
            if (scanf("%" SCNx32, &action) != 1) return 2;
            ctx = seccomp_init(action);
            if (!ctx) return 3;
        } else if (!strcmp(word, "arch")) {
            uint32_t token;
            if (scanf("%" SCNx32, &token) != 1) return 2;
            int rc = seccomp_arch_add(ctx, token);
            if (rc && rc != -EEXIST) fail("arch", "", rc);
        } else if (!strcmp(word, "knows")) {
            uint32_t token;
            if (scanf("%" SCNx32 " %63s", &token, name) != 2) return 2;
            printf("%d\n", seccomp_syscall_resolve_name_arch(token, name));
        } else if (!strcmp(word, "rule")) {
            uint32_t action;
            unsigned count;
            struct scmp_arg_cmp args[6];
            if (scanf("%" SCNx32 " %63s %u", &action, name, &count) != 3 || count > 6) return 2;
            for (unsigned i = 0; i < count; i++) {
                unsigned op;
                if (scanf("%u %u %" SCNx64 " %" SCNx64, &args[i].arg, &op, &args[i].datum_a, &args[i].datum_b) != 4)
                    return 2;
                args[i].op = op;
            }
            int number = seccomp_syscall_resolve_name(name);
            if (number == __NR_SCMP_ERROR) continue;
            int rc = seccomp_rule_add_array(ctx, action, number, count, args);
            if (rc && rc != -EEXIST) fail("rule", name, rc);
        } else {
            return 2;
        }
    }
    if (!ctx) return 0;
    int rc = seccomp_export_bpf(ctx, STDOUT_FILENO);
    if (rc) fail("export", "", rc);
    return 0;
}
