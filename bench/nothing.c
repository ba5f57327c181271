// SPDX-License-Identifier: Apache-2.0
// Ends at once: what this machine takes for any program that is linked as hull-vmm is.
int main(void)
{
	return 0;
}
