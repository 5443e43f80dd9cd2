/* A library that the death tests load after the first pool was made. */
void late_crash(void);

void late_crash(void)
{
    static volatile unsigned long nowhere = 64;

    *(volatile int *)nowhere = 1;
}
