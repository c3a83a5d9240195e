// SPDX-License-Identifier: BSD-2-Clause
/* The row compiler on sections written by hand: unusual ones, and damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dwarf.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/util.h"
#include "unwind/cfi.h"

/* The image: headers, then the sections; code is at CODE and has no bytes. */
#define CODE	  0x10000ull
#define CODE_SIZE 0x10000ull
#define SECTION	  0x1000

struct bytes {
	uint8_t *data;
	size_t len, capacity;
	size_t entry; /* where the open entry's length is */
};

static void put(struct bytes *bytes, const void *data, size_t len)
{
	while (bytes->len + len > bytes->capacity)
		bytes->data = array__grow(bytes->data, bytes->capacity, &bytes->capacity, 1);
	memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
}

static void u8(struct bytes *bytes, unsigned value)
{
	put(bytes, &(uint8_t){ (uint8_t)value }, 1);
}

static void u32(struct bytes *bytes, uint64_t value)
{
	put(bytes, &(uint32_t){ (uint32_t)value }, 4);
}

static void u64(struct bytes *bytes, uint64_t value)
{
	put(bytes, &value, 8);
}

static void text(struct bytes *bytes, const char *string)
{
	put(bytes, string, strlen(string) + 1);
}

#define CODE_BYTES(...) ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })

static void begin(struct bytes *bytes)
{
	bytes->entry = bytes->len;
	u32(bytes, 0);
}

static void end(struct bytes *bytes)
{
	uint32_t len = (uint32_t)(bytes->len - bytes->entry - 4);

	memcpy(bytes->data + bytes->entry, &len, sizeof(len));
}

/* rsp + 8, the return address there. */
static void plain_instructions(struct bytes *bytes)
{
	put(bytes, CODE_BYTES(DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1));
}

/* A CIE of .eh_frame up to its instructions; encoding < 0: no augmentation. */
static size_t begin_cie(struct bytes *bytes, unsigned version, const char *augmentation,
			int encoding)
{
	begin(bytes);
	u32(bytes, 0);
	u8(bytes, version);
	text(bytes, augmentation);
	if (version == 4)
		put(bytes, CODE_BYTES(8, 0));
	if (!strcmp(augmentation, "eh"))
		u64(bytes, 0x1234);
	put(bytes, CODE_BYTES(1, 0x78, 16)); /* code 1, data -8, return address 16 */
	if (!strcmp(augmentation, "zPLR")) {
		put(bytes, CODE_BYTES(7, 0x9b, 1, 2, 3, 4, 0x1b));
		u8(bytes, (unsigned)encoding);
	} else if (augmentation[0] == 'z') {
		u8(bytes, 1);
		u8(bytes, (unsigned)encoding);
	}
	plain_instructions(bytes);
	return bytes->entry;
}

/* An FDE of .eh_frame up to its instructions. */
static void begin_fde(struct bytes *bytes, size_t cie, int encoding, uint64_t start, uint64_t len)
{
	begin(bytes);
	u32(bytes, bytes->len - cie);
	if (encoding >= 0 && (encoding & 0x70) == DW_EH_PE_pcrel)
		start -= SECTION + bytes->len;
	if (encoding < 0 || !(encoding & 0x0f)) {
		u64(bytes, start);
		u64(bytes, len);
	} else {
		u32(bytes, start);
		u32(bytes, len);
	}
	if (encoding >= 0)
		u8(bytes, 0);
}

/* A function of 32 bytes: push rbp at 1, mov rbp,rsp at 4. */
static void frame_instructions(struct bytes *bytes)
{
	put(bytes, CODE_BYTES(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 6,
			      2, DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, 6));
}

static void check_frame(const struct unwind_table *table, uint64_t start)
{
	const struct unwind_rule expected[] = {
		{ .cfa = UNWIND_CFA_RSP, .cfa_offset = 8 },
		{ .cfa = UNWIND_CFA_RSP,
		  .cfa_offset = 16,
		  .rbp = UNWIND_RBP_SAVED,
		  .rbp_offset = -16 },
		{ .cfa = UNWIND_CFA_RBP,
		  .cfa_offset = 16,
		  .rbp = UNWIND_RBP_SAVED,
		  .rbp_offset = -16 },
		{ .cfa = UNWIND_CFA_NONE },
	};
	const uint8_t at[] = { 0, 1, 3, 4, 31, 32 }, which[] = { 0, 1, 1, 2, 2, 3 };

	assert_non_null(table);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		const struct unwind_rule *rule = unwind_table__find(table, start + at[i]);

		assert_non_null(rule);
		assert_memory_equal(rule, &expected[which[i]], sizeof(*rule));
	}
}

struct image {
	uint8_t *data;
	size_t len;
};

/* An ELF file with one section, whose name may be NULL: then a PT_GNU_EH_FRAME leads to it. */
static struct image make_image(const struct bytes *section, const char *name, uint64_t flags)
{
	static const char names[] = "\0.shstrtab\0.eh_frame\0.debug_frame";
	struct image image = { .len = SECTION + section->len + 64 };
	Elf64_Ehdr header = { .e_ident = ELFMAG, .e_type = ET_DYN, .e_machine = EM_X86_64 };
	const size_t at = sizeof(header) + 3 * sizeof(Elf64_Phdr);
	Elf64_Phdr segments[] = {
		{ .p_type = PT_LOAD, .p_flags = PF_X, .p_vaddr = CODE, .p_memsz = CODE_SIZE },
		{ .p_type = PT_LOAD, .p_filesz = image.len },
		{ .p_type = name ? PT_NULL : PT_GNU_EH_FRAME, .p_vaddr = 0xc00, .p_filesz = 8 },
	};
	Elf64_Shdr sections[] = {
		{ 0 },
		{ .sh_type = SHT_STRTAB, .sh_name = 1, .sh_offset = at, .sh_size = sizeof(names) },
		{ .sh_type = SHT_PROGBITS, .sh_addr = SECTION, .sh_offset = SECTION },
	};

	header.e_ident[EI_CLASS] = ELFCLASS64;
	header.e_ident[EI_DATA] = ELFDATA2LSB;
	header.e_ident[EI_VERSION] = header.e_version = EV_CURRENT;
	header.e_ehsize = header.e_phoff = sizeof(header);
	header.e_phentsize = sizeof(segments[0]);
	header.e_phnum = ARRAY_SIZE(segments);
	if (name) {
		header.e_shoff = 0x800;
		header.e_shentsize = sizeof(sections[0]);
		header.e_shnum = ARRAY_SIZE(sections);
		header.e_shstrndx = 1;
		sections[2].sh_name = strcmp(name, ".eh_frame") ? 21 : 11;
		sections[2].sh_size = section->len;
		sections[2].sh_flags = flags;
	}
	image.data = xcalloc(1, image.len);
	memcpy(image.data, &header, sizeof(header));
	memcpy(image.data + sizeof(header), segments, sizeof(segments));
	memcpy(image.data + at, names, sizeof(names));
	if (name)
		memcpy(image.data + 0x800, sections, sizeof(sections));
	memcpy(image.data + SECTION, section->data, section->len);
	return image;
}

static struct unwind_table *compile_image(struct image *image, const char **problem)
{
	struct unwind_table *table = cfi__compile_image(image->data, image->len, problem);

	free(image->data);
	return table;
}

static struct unwind_table *compile(struct bytes *section, const char *name, const char **problem)
{
	struct image image = make_image(section, name, 0);

	return compile_image(&image, problem);
}

static void forms_of_entries_are_read(void **state)
{
	static const struct {
		unsigned version;
		const char *augmentation;
		int encoding;
	} forms[] = {
		{ 1, "", -1 },
		{ 1, "eh", -1 },
		{ 3, "", -1 },
		{ 4, "", -1 },
		{ 1, "zR", DW_EH_PE_pcrel | DW_EH_PE_sdata4 },
		{ 1, "zR", DW_EH_PE_pcrel | DW_EH_PE_absptr },
		{ 3, "zR", DW_EH_PE_udata4 },
		{ 3, "zR", DW_EH_PE_sdata4 },
		{ 1, "zR", DW_EH_PE_absptr },
		{ 1, "zPLR", DW_EH_PE_pcrel | DW_EH_PE_sdata4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct bytes section = { 0 };
		struct unwind_table *table;
		const char *problem;
		size_t cie;

		cie = begin_cie(&section, forms[i].version, forms[i].augmentation,
				forms[i].encoding);
		end(&section);
		u32(&section, 0); /* a terminator in the middle */
		begin_fde(&section, cie, forms[i].encoding, CODE + 0x100, 32);
		frame_instructions(&section);
		end(&section);
		u32(&section, 0);
		table = compile(&section, ".eh_frame", &problem);
		assert_null(problem);
		check_frame(table, CODE + 0x100);
		assert_int_equal(table->base, CODE + 0x100);
		assert_int_equal(table->nr_rows, 4);
		unwind_table__free(table);
		free(section.data);
	}
}

/* A .debug_frame in 64-bit DWARF; the FDE comes first. */
static struct bytes debug_frame(void)
{
	const size_t cie = 12 + 8 + 16 + 8 + 8;
	struct bytes bytes = { 0 };

	u32(&bytes, UINT32_MAX);
	u64(&bytes, cie - 12);
	u64(&bytes, cie);
	u64(&bytes, CODE + 0x100);
	u64(&bytes, 32);
	frame_instructions(&bytes);
	while (bytes.len < cie)
		u8(&bytes, DW_CFA_nop);
	u32(&bytes, UINT32_MAX);
	u64(&bytes, 8 + 2 + 3 + 5);
	u64(&bytes, UINT64_MAX);
	put(&bytes, CODE_BYTES(3, 0, 1, 0x78, 16));
	plain_instructions(&bytes);
	return bytes;
}

static void debug_frame_is_read(void **state)
{
	struct bytes section = debug_frame(), packed = { 0 };
	Elf64_Chdr header = { .ch_type = ELFCOMPRESS_ZLIB,
			      .ch_size = section.len,
			      .ch_addralign = 1 };
	uLongf len = compressBound(section.len);
	struct unwind_table *table;
	const char *problem;
	struct image image;
	uint8_t *buffer;

	table = compile(&section, ".debug_frame", &problem);
	assert_null(problem);
	check_frame(table, CODE + 0x100);
	unwind_table__free(table);

	buffer = xmalloc(len);
	assert_int_equal(compress(buffer, &len, section.data, section.len), Z_OK);
	put(&packed, &header, sizeof(header));
	put(&packed, buffer, len);
	image = make_image(&packed, ".debug_frame", SHF_COMPRESSED);
	table = compile_image(&image, &problem);
	assert_null(problem);
	check_frame(table, CODE + 0x100);
	unwind_table__free(table);

	/* What claims to be very large when decompressed is refused. */
	header.ch_size = 1ull << 40;
	memcpy(packed.data, &header, sizeof(header));
	image = make_image(&packed, ".debug_frame", SHF_COMPRESSED);
	table = compile_image(&image, &problem);
	assert_non_null(problem);
	unwind_table__free(table);
	free(buffer);
	free(packed.data);
	free(section.data);
}

static struct bytes good_section(void)
{
	struct bytes section = { 0 };
	size_t cie = begin_cie(&section, 1, "zR", DW_EH_PE_pcrel | DW_EH_PE_sdata4);

	end(&section);
	for (unsigned i = 0; i < 8; i++) {
		begin_fde(&section, cie, DW_EH_PE_pcrel | DW_EH_PE_sdata4, CODE + 0x100 + i * 64,
			  32);
		frame_instructions(&section);
		end(&section);
	}
	u32(&section, 0);
	return section;
}

static void stripped_headers_are_made_up_for(void **state)
{
	static const uint8_t encodings[] = { DW_EH_PE_pcrel | DW_EH_PE_sdata4,
					     DW_EH_PE_datarel | DW_EH_PE_sdata4,
					     DW_EH_PE_absptr | DW_EH_PE_udata4,
					     DW_EH_PE_pcrel | DW_EH_PE_indirect };

	for (size_t i = 0; i < ARRAY_SIZE(encodings); i++) {
		struct bytes section = good_section();
		struct image image = make_image(&section, NULL, 0);
		uint32_t base = i == 0 ? 0xc04 : i == 1 ? 0xc00 : 0, pointer = SECTION - base;
		struct unwind_table *table;
		const char *problem;

		memcpy(image.data + 0xc00, (uint8_t[]){ 1, encodings[i], 0xff, 0xff }, 4);
		memcpy(image.data + 0xc04, &pointer, sizeof(pointer));
		table = compile_image(&image, &problem);
		if (encodings[i] & DW_EH_PE_indirect) {
			assert_non_null(problem);
		} else {
			assert_null(problem);
			check_frame(table, CODE + 0x100);
			assert_int_equal(table->nr_rows, 32);
		}
		unwind_table__free(table);
		free(section.data);
	}
}

/* The rule of a function with these instructions after those of the CIE. */
static struct unwind_rule rule_of(const char *augmentation, const uint8_t *code, size_t len,
				  const char **problem)
{
	struct bytes section = { 0 };
	int encoding = DW_EH_PE_pcrel | DW_EH_PE_sdata4;
	size_t cie = begin_cie(&section, 1, augmentation, encoding);
	struct unwind_table *table;
	struct unwind_rule rule;

	end(&section);
	begin_fde(&section, cie, encoding, CODE, 32);
	put(&section, code, len);
	end(&section);
	table = compile(&section, ".eh_frame", problem);
	assert_non_null(table);
	assert_non_null(unwind_table__find(table, CODE));
	rule = *unwind_table__find(table, CODE);
	unwind_table__free(table);
	free(section.data);
	return rule;
}

struct form {
	const uint8_t *code;
	size_t len;
	struct unwind_rule rule;
};

#define FORM(...) \
	.code = (const uint8_t[]){ __VA_ARGS__ }, .len = sizeof((uint8_t[]){ __VA_ARGS__ })
#define RSP_8 .cfa = UNWIND_CFA_RSP, .cfa_offset = 8
#define UNFIT .cfa = UNWIND_CFA_NONE, .rbp = UNWIND_RBP_LOST

static const struct form forms[] = {
	{ FORM(DW_CFA_nop), .rule = { RSP_8 } },
	{ FORM(DW_CFA_GNU_args_size, 0x80, 1), .rule = { RSP_8 } },
	{ FORM(DW_CFA_offset | 6, 2),
	  .rule = { RSP_8, .rbp = UNWIND_RBP_SAVED, .rbp_offset = -16 } },
	{ FORM(DW_CFA_offset_extended_sf, 6, 0x7e),
	  .rule = { RSP_8, .rbp = UNWIND_RBP_SAVED, .rbp_offset = 16 } },
	/* Further than an offset can say. */
	{ FORM(DW_CFA_offset_extended, 6, 0x80, 0x80, 1),
	  .rule = { RSP_8, .rbp = UNWIND_RBP_LOST } },
	{ FORM(DW_CFA_undefined, 6), .rule = { RSP_8, .rbp = UNWIND_RBP_LOST } },
	{ FORM(DW_CFA_register, 6, 3), .rule = { RSP_8, .rbp = UNWIND_RBP_LOST } },
	{ FORM(DW_CFA_val_offset, 6, 2), .rule = { RSP_8, .rbp = UNWIND_RBP_LOST } },
	{ FORM(DW_CFA_same_value, 6), .rule = { RSP_8 } },
	{ FORM(DW_CFA_offset | 6, 2, DW_CFA_restore | 6), .rule = { RSP_8 } },
	{ FORM(DW_CFA_remember_state, DW_CFA_def_cfa, 6, 32, DW_CFA_restore_state),
	  .rule = { RSP_8 } },
	/* libgcrypt: *(rsp + 160) with the CFA at rsp + 8. */
	{ FORM(DW_CFA_expression, 6, 3, DW_OP_breg7, 0xa0, 1),
	  .rule = { RSP_8, .rbp = UNWIND_RBP_SAVED, .rbp_offset = 152 } },
	/* gcc, a realigned stack. */
	{ FORM(DW_CFA_def_cfa_expression, 3, DW_OP_breg6, 0x78, DW_OP_deref, DW_CFA_expression, 6,
	       2, DW_OP_breg6, 0),
	  .rule = { .cfa = UNWIND_CFA_RBP_DEREF, .cfa_offset = -8, .rbp = UNWIND_RBP_AT_RBP } },
	/* OpenSSL's assembly. */
	{ FORM(DW_CFA_def_cfa_expression, 6, DW_OP_breg7, 0xa0, 1, DW_OP_deref, DW_OP_plus_uconst,
	       8),
	  .rule = { .cfa = UNWIND_CFA_RSP_DEREF, .cfa_offset = 160, .cfa_extra = 8 } },
	{ FORM(DW_CFA_def_cfa_expression, 5, DW_OP_breg7, 8, DW_OP_deref, DW_OP_lit8, DW_OP_plus),
	  .rule = { .cfa = UNWIND_CFA_RSP_DEREF, .cfa_offset = 8, .cfa_extra = 8 } },
	{ FORM(DW_CFA_def_cfa_expression, 2, DW_OP_breg6, 16),
	  .rule = { .cfa = UNWIND_CFA_RBP, .cfa_offset = 16 } },
	{ FORM(DW_CFA_def_cfa_expression, 11, DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15,
	       DW_OP_and, DW_OP_lit11, DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus),
	  .rule = { .cfa = UNWIND_CFA_PLT } },
	{ FORM(DW_CFA_undefined, 16), .rule = { .cfa = UNWIND_CFA_END } },
	/* Nothing the tables can say. */
	{ FORM(DW_CFA_def_cfa, 10, 0), .rule = { UNFIT } },
	{ FORM(DW_CFA_def_cfa_offset, 0xff, 0xff, 0xff, 0xff, 0x7f), .rule = { UNFIT } },
	{ FORM(DW_CFA_def_cfa_expression, 4, DW_OP_breg7, 8, DW_OP_deref, DW_OP_deref),
	  .rule = { UNFIT } },
	{ FORM(DW_CFA_def_cfa_expression, 0), .rule = { UNFIT } },
	{ FORM(DW_CFA_def_cfa_expression, 2, DW_OP_breg7, 8, DW_CFA_def_cfa_register, 7),
	  .rule = { UNFIT } },
	{ FORM(DW_CFA_offset | 16, 2), .rule = { UNFIT } },
	{ FORM(DW_CFA_same_value, 16), .rule = { UNFIT } },
	{ FORM(DW_CFA_register, 16, 1), .rule = { UNFIT } },
	{ FORM(DW_CFA_offset | 7, 2), .rule = { UNFIT } }, /* the caller's rsp is another */
};

static void rules_are_recognised(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const char *problem;
		struct unwind_rule rule = rule_of("zR", forms[i].code, forms[i].len, &problem);

		assert_null(problem);
		if (memcmp(&rule, &forms[i].rule, sizeof(rule)))
			fail_msg("form %zu: kind %u %+d %+d, rbp %u %+d", i, rule.cfa,
				 rule.cfa_offset, rule.cfa_extra, rule.rbp, rule.rbp_offset);
	}
}

static void signal_frames_are_recognised(void **state)
{
	/* glibc, sysdeps/unix/sysv/linux/x86_64/libc_sigaction.c */
	const struct form whole = { FORM(DW_CFA_def_cfa_expression, 4, DW_OP_breg7, 0xa0, 1,
					 DW_OP_deref, DW_CFA_expression, 6, 3, DW_OP_breg7, 0xf8, 0,
					 DW_CFA_expression, 16, 3, DW_OP_breg7, 0xa8, 1) };
	const char *problem;
	struct unwind_rule rule = rule_of("zRS", whole.code, whole.len, &problem);

	assert_null(problem);
	assert_int_equal(rule.cfa, UNWIND_CFA_SIGNAL);
	/* Signal frames of another kind are not guessed. */
	rule = rule_of("zRS", whole.code, whole.len - 6, &problem);
	assert_int_equal(rule.cfa, UNWIND_CFA_NONE);
	assert_int_equal(rule.rbp, UNWIND_RBP_LOST);
	rule = rule_of("zR", whole.code, whole.len, &problem);
	assert_int_equal(rule.cfa, UNWIND_CFA_NONE);
}

static const struct form broken[] = {
	{ FORM(DW_CFA_restore_state) },
	{ FORM(0x3f) },
	{ FORM(DW_CFA_def_cfa, 0xff) },
	{ FORM(DW_CFA_def_cfa_expression, 100) },
	{ FORM(DW_CFA_def_cfa_expression, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	       1) },
	{ FORM(DW_CFA_set_loc, 0, 0, 0, 0) },				/* backwards */
	{ FORM(0x1d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) }, /* round the end */
	{ FORM(DW_CFA_offset_extended, 6, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f) },
};

static void broken_instructions_leave_no_rule(void **state)
{
	uint8_t deep[100];
	struct unwind_rule rule;
	const char *problem;

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		rule = rule_of("zR", broken[i].code, broken[i].len, &problem);
		if (!problem)
			fail_msg("broken instructions %zu were not seen", i);
		assert_int_equal(rule.cfa, UNWIND_CFA_NONE);
		assert_int_equal(rule.rbp, UNWIND_RBP_LOST);
	}
	memset(deep, DW_CFA_remember_state, sizeof(deep));
	rule = rule_of("zR", deep, sizeof(deep), &problem);
	assert_non_null(problem);
	assert_int_equal(rule.cfa, UNWIND_CFA_NONE);
	rule = rule_of("zR", deep, 20, &problem);
	assert_null(problem);
	assert_int_equal(rule.cfa, UNWIND_CFA_RSP);
}

static void damaged_entries_are_named(void **state)
{
	struct bytes section = good_section();
	const size_t first_fde = 4 + *(uint32_t *)section.data;
	const struct {
		size_t at;
		uint8_t value;
	} damage[] = {
		{ 0, 0xff },		  /* the CIE's length: out of the section */
		{ 8, 2 },		  /* version */
		{ 9, 'q' },		  /* augmentation, not to be understood */
		{ 10, 'X' },		  /* likewise, inside */
		{ 14, 17 },		  /* another return address column */
		{ 16, 0x9b },		  /* indirect pointers */
		{ 16, 0x2b },		  /* relative to the text */
		{ 16, DW_EH_PE_omit },	  /* no pointers */
		{ first_fde + 4, 1 },	  /* a CIE in the middle of something */
		{ first_fde + 5, 0xff },  /* a CIE before the section */
		{ first_fde + 15, 0xff }, /* reversed */
	};

	for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
		struct bytes copy = { 0 };
		struct unwind_table *table;
		const char *problem;

		put(&copy, section.data, section.len);
		copy.data[damage[i].at] = damage[i].value;
		table = compile(&copy, ".eh_frame", &problem);
		assert_non_null(table);
		if (!problem)
			fail_msg("damage %zu was not seen", i);
		unwind_table__free(table);
		free(copy.data);
	}
	free(section.data);
}

/* What is right in spite of damage elsewhere: rows in order, rules that exist. */
static void check_sanity(const struct unwind_table *table)
{
	for (size_t i = 0; table && i < table->nr_rows; i++) {
		assert_true(table->rows[i].rule < table->nr_rules);
		assert_true(!i || table->rows[i].pc > table->rows[i - 1].pc);
	}
}

static void truncated_at_every_byte(void **state)
{
	struct bytes section = good_section();

	for (size_t len = 0; len < section.len; len++) {
		/* Exactly as long, for the sanitizers. */
		struct bytes copy = { .data = xmalloc(len), .len = len };
		struct unwind_table *table;
		const char *problem;

		memcpy(copy.data, section.data, len);
		table = compile(&copy, ".eh_frame", &problem);
		check_sanity(table);
		unwind_table__free(table);
		free(copy.data);
	}
	for (size_t len = 0; len < SECTION + section.len; len++) {
		struct image image = make_image(&section, ".eh_frame", 0);

		image.len = len;
		image.data = xrealloc(image.data, len);
		unwind_table__free(compile_image(&image, NULL));
	}
	free(section.data);
}

static void random_damage_does_no_harm(void **state)
{
	struct bytes section = good_section();
	unsigned seed = 11;

	for (unsigned round = 0; round < 20000; round++) {
		struct image image = make_image(&section, ".eh_frame", 0);
		struct unwind_table *table;
		unsigned nr = 1 + round % 8;

		while (nr--) {
			/* Mostly in the section, else in the headers. */
			size_t at = rand_r(&seed) % 4
					    ? SECTION + (size_t)rand_r(&seed) % section.len
					    : (size_t)rand_r(&seed) % SECTION;

			image.data[at] = (uint8_t)rand_r(&seed);
		}
		table = compile_image(&image, NULL);
		check_sanity(table);
		unwind_table__free(table);
	}
	free(section.data);
}

/* Entries by the hundred thousand: same addresses, a CIE each, long programs. Not slow. */
static void absurd_counts_are_fast(void **state)
{
	const int encoding = DW_EH_PE_pcrel | DW_EH_PE_sdata4;
	uint64_t start = clock__monotonic_ns();
	struct bytes section = { 0 };
	struct unwind_table *table;

	for (unsigned i = 0; i < 300000; i++) {
		size_t cie = begin_cie(&section, 1, "zR", encoding);

		end(&section);
		begin_fde(&section, cie, encoding, CODE + i % 1000, CODE_SIZE - 2000);
		u8(&section, DW_CFA_def_cfa_offset);
		u8(&section, i & 0x7f);
		end(&section);
	}
	begin_fde(&section, 0, encoding, CODE, CODE_SIZE);
	for (unsigned i = 0; i < 4000000; i++)
		put(&section, CODE_BYTES(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, i & 0x7f));
	end(&section);
	table = compile(&section, ".eh_frame", NULL);
	check_sanity(table);
	assert_non_null(table);
	assert_true(clock__monotonic_ns() - start < 10 * NSEC_PER_SEC);
	unwind_table__free(table);
	free(section.data);
}

static void files_of_another_kind_are_refused(void **state)
{
	struct bytes section = good_section(), none = { 0 };
	struct image image = make_image(&section, ".eh_frame", 0);
	const char *problem = "";
	int ends[2];

	image.data[EI_CLASS] = ELFCLASS32;
	assert_null(compile_image(&image, &problem));
	assert_int_equal(errno, ENOEXEC);
	assert_null(problem);
	image = make_image(&section, ".eh_frame", 0);
	image.data[offsetof(Elf64_Ehdr, e_machine)] = EM_386;
	assert_null(compile_image(&image, NULL));
	assert_int_equal(errno, ENOEXEC);
	assert_null(cfi__compile_image("", 0, NULL));
	assert_int_equal(errno, ENOEXEC);
	assert_null(cfi__compile(-1, NULL));
	assert_int_equal(errno, ENOEXEC);
	assert_int_equal(pipe(ends), 0);
	assert_null(cfi__compile(ends[0], NULL));
	assert_int_equal(errno, ENOEXEC);
	close(ends[0]);
	close(ends[1]);
	put(&none, "", 1);
	image = make_image(&none, ".shstrtab", 0);
	memset(image.data + 0x800 + 2 * sizeof(Elf64_Shdr), 0, 4); /* a section without a name */
	assert_null(compile_image(&image, &problem));
	assert_int_equal(errno, ENODATA);
	assert_null(problem);
	free(none.data);
	free(section.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_of_entries_are_read),
		cmocka_unit_test(debug_frame_is_read),
		cmocka_unit_test(stripped_headers_are_made_up_for),
		cmocka_unit_test(rules_are_recognised),
		cmocka_unit_test(signal_frames_are_recognised),
		cmocka_unit_test(broken_instructions_leave_no_rule),
		cmocka_unit_test(damaged_entries_are_named),
		cmocka_unit_test(truncated_at_every_byte),
		cmocka_unit_test(random_damage_does_no_harm),
		cmocka_unit_test(absurd_counts_are_fast),
		cmocka_unit_test(files_of_another_kind_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
