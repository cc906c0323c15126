/* A FastCGI program on libfcgi: fastcgi_program SOCKET. As a responder it says what it was sent; as an authorizer it
 * lets through whoever has the cookie "pass". */
#include <fcgiapp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void respond(FCGX_Request *request) {
  const char *length = FCGX_GetParam("CONTENT_LENGTH", request->envp);
  const char *user = FCGX_GetParam("REMOTE_USER", request->envp);
  long left = length ? atol(length) : 0, total = 0;
  char buffer[4096];
  while (left > 0) {
    int count = FCGX_GetStr(buffer, left < (long)sizeof buffer ? (int)left : (int)sizeof buffer, request->in);
    if (count <= 0) break;
    left -= count;
    total += count;
  }
  FCGX_FPrintF(request->out, "Content-Type: text/plain\r\n\r\nrole %s path %s user %s body %ld\n",
               FCGX_GetParam("FCGI_ROLE", request->envp), FCGX_GetParam("PATH_INFO", request->envp),
               user ? user : "-", total);
  FCGX_FPrintF(request->err, "answered\n");
}

static void authorize(FCGX_Request *request) {
  const char *cookie = FCGX_GetParam("HTTP_COOKIE", request->envp);
  if (cookie && strstr(cookie, "pass")) {
    FCGX_FPrintF(request->out, "Status: 200\r\nVariable-REMOTE_USER: ada\r\n\r\n");
  } else {
    FCGX_FPrintF(request->out, "Status: 403\r\nContent-Type: text/plain\r\n\r\nno cookie\n");
  }
}

int main(int count, char **arguments) {
  FCGX_Request request;
  if (count != 2 || FCGX_Init() != 0) return 2;
  int socket = FCGX_OpenSocket(arguments[1], 64);
  if (socket < 0 || FCGX_InitRequest(&request, socket, 0) != 0) return 1;
  fprintf(stderr, "listening\n");
  while (FCGX_Accept_r(&request) == 0) {
    const char *role = FCGX_GetParam("FCGI_ROLE", request.envp);
    if (role && strcmp(role, "AUTHORIZER") == 0) {
      authorize(&request);
    } else {
      respond(&request);
    }
    FCGX_Finish_r(&request);
  }
  return 0;
}
