/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the 32-bit PVH entry, or a start-up IPI, to 64-bit C with the first 5 GiB mapped one to one.
 *
 * Only instructions that KVM's own emulator knows are used, here and in the C files: on some hosts it runs all of a
 * guest. So no fences (rt.h), no SSE, no return from an exception.
 */
#define PAGES_PRESENT_WRITABLE 3
#define PAGE_LARGE 0x80
#define GIB_MAPPED 5

	.section .note.pvh, "a", @note
	.align 4
	.long 4, 8, 18 /* "Xen", XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.quad pvh_start

	.section .text.start, "ax", @progbits
	.code32
	.globl pvh_start
pvh_start:
	cli
	cld
	mov $bsp_stack_end, %esp
	mov %ebx, rt_start_info

	/* Page directories: GIB_MAPPED * 512 pages of 2 MiB. */
	mov $page_dirs, %edi
	xor %ecx, %ecx
1:	mov %ecx, %eax
	shl $21, %eax
	or $(PAGES_PRESENT_WRITABLE | PAGE_LARGE), %eax
	mov %eax, (%edi,%ecx,8)
	mov %ecx, %eax
	shr $11, %eax
	mov %eax, 4(%edi,%ecx,8)
	inc %ecx
	cmp $(GIB_MAPPED * 512), %ecx
	jne 1b
	mov $page_dir_pointers, %edi
	mov $(page_dirs + PAGES_PRESENT_WRITABLE), %eax
	xor %ecx, %ecx
2:	mov %eax, (%edi,%ecx,8)
	add $4096, %eax
	inc %ecx
	cmp $GIB_MAPPED, %ecx
	jne 2b
	movl $(page_dir_pointers + PAGES_PRESENT_WRITABLE), page_root

	call to_long_mode
	ljmp $8, $bsp_long

/* Paging and long mode on, GDT loaded; the caller jumps to the 64-bit segment. */
to_long_mode:
	lgdt gdt_pointer
	mov $page_root, %eax
	mov %eax, %cr3
	mov %cr4, %eax
	or $0x20, %eax /* PAE */
	mov %eax, %cr4
	mov $0xc0000080, %ecx /* EFER */
	rdmsr
	or $0x100, %eax /* LME */
	wrmsr
	mov %cr0, %eax
	or $0x80000001, %eax /* PG, PE */
	mov %eax, %cr0
	ret

	.code64
bsp_long:
	mov $16, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $bsp_stack_end, %rsp
	lidt rt_idt_pointer(%rip)
	call rt_start
	jmp .

ap_long:
	mov $16, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $ap_stack_end, %rsp
	lidt rt_idt_pointer(%rip)
	call smp_ap_start
	jmp .

/* What the start-up IPI runs in real mode: a copy of this at a page below 1 MiB, CS:0 its start. */
	.code16
	.globl ap_trampoline, ap_trampoline_end
ap_trampoline:
	cli
	mov %cs, %ax
	mov %ax, %ds
	lgdtl ap_gdt_pointer - ap_trampoline
	mov %cr0, %eax
	or $1, %eax
	mov %eax, %cr0
	ljmpl $24, $ap_protected
	.align 4
ap_gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
ap_trampoline_end:

	.code32
ap_protected:
	mov $16, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $ap_stack_end, %esp
	call to_long_mode
	ljmp $8, $ap_long

/* Exceptions: the stack gets an error code where the CPU pushes none, and the vector. */
	.code64
	.altmacro
	.macro exception vector
exception_\vector:
	.if (\vector == 8) || (\vector >= 10 && \vector <= 14) || (\vector == 17) || (\vector == 21)
	.else
	push $0
	.endif
	push $\vector
	jmp exception_any
	.endm
	.set vector, 0
	.rept 32
	exception %vector
	.set vector, vector + 1
	.endr
exception_any:
	mov (%rsp), %rdi
	mov 8(%rsp), %rsi
	mov 16(%rsp), %rdx
	and $-16, %rsp
	call rt_exception
	jmp .

	.section .rodata, "a", @progbits
	.globl exception_stubs
	.align 8
	.macro exception_address vector
	.quad exception_\vector
	.endm
exception_stubs:
	.set vector, 0
	.rept 32
	exception_address %vector
	.set vector, vector + 1
	.endr

	.data
	.align 8
gdt:	.quad 0
	.quad 0x00af9b000000ffff /* 8: 64-bit code */
	.quad 0x00cf93000000ffff /* 16: data */
	.quad 0x00cf9b000000ffff /* 24: 32-bit code */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.quad gdt

	.bss
	.align 4096
page_root:
	.skip 4096
page_dir_pointers:
	.skip 4096
page_dirs:
	.skip GIB_MAPPED * 4096
	.skip 16384
bsp_stack_end:
	.skip 16384
ap_stack_end:

	.section .note.GNU-stack, "", @progbits
