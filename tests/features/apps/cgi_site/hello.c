#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments) {
  const char *query = getenv("QUERY_STRING");
  (void)arguments;
  printf("Content-Type: text/plain\n\nhello %d %s\n", count, query ? query : "none");
  return 0;
}
