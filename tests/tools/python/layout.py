"""Prints a C program that compares sizes, offsets and constants of foretell.h with those of ctypes."""

import ctypes

from foretell import _c

print("#include <foretell.h>\n#include <stddef.h>\n#include <stdio.h>\n")
print("static int differ;")
print('static void expect(const char *what, size_t c, size_t python) {\n'
      '    if (c != python) differ = 1, printf("%s: %zu in C, %zu in Python\\n", what, c, python);\n}\n')
print("int main(void) {")
for name, struct in _c.STRUCTS.items():
    print(f'    expect("sizeof {name}", sizeof(foretell_{name}), {ctypes.sizeof(struct)});')
    for field, *_ in struct._fields_:
        at = getattr(struct, field)
        print(f'    expect("{name}.{field}", offsetof(foretell_{name}, {field}), {at.offset});')
        print(f'    expect("sizeof {name}.{field}", sizeof(((foretell_{name} *)0)->{field}), {at.size});')
for name in ("BOS", "SPECIAL", "CANDIDATES", "FUTURES"):
    print(f'    expect("{name}", FORETELL_{name}, {getattr(_c, name)});')
for end in _c.End:
    print(f'    expect("{end.name}", FORETELL_{end.name}, {end.value});')
for name, value in (("INVALID", 1), ("FAILED", 2), ("NO_MEMORY", 3), ("FULL", 4), ("CANCELLED", 5)):
    print(f'    expect("{name}", FORETELL_{name}, {value});')
print("    return differ;\n}")
