"""connectors/postgresql/saslprep_tables.py: write the tables of RFC 3454 that SASLprep needs, as C, on standard output.

Python's own module stringprep holds them; they speak of Unicode 3.2 and never change."""

import stringprep

TABLES = {
    "spaces": [stringprep.in_table_c12],
    "mapped_to_nothing": [stringprep.in_table_b1],
    "prohibited": [stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4,
                   stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8,
                   stringprep.in_table_c9, stringprep.in_table_a1],
    "right_to_left": [stringprep.in_table_d1],
    "left_to_right": [stringprep.in_table_d2],
}


def ranges(tests):
    found = []
    for code in range(0x110000):
        if any(test(chr(code)) for test in tests):
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return found


print("/* made by saslprep_tables.py: the first and the last code point of each range, in their order. */")
for name, tests in TABLES.items():
    rows = ",\n".join(f"    {{0x{first:04X}, 0x{last:04X}}}" for first, last in ranges(tests))
    print(f"static const struct range {name}[] = {{\n{rows},\n}};")
