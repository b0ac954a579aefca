// A map of heights as a surface that can be turned: one WebGL 2 program, no buffers but two textures.

const VERTEX = `#version 300 es
precision highp float;
precision highp int;
uniform sampler2D heights; // 0 … 1 in r, below 0 where there is none
uniform ivec2 size;
uniform mat3 turn;
uniform vec2 scale;
uniform float rise;
out vec2 at;
out vec3 place;
out float gap;
const ivec2 corners[6] = ivec2[6](ivec2(0, 0), ivec2(0, 1), ivec2(1, 0), ivec2(1, 0), ivec2(0, 1), ivec2(1, 1));
void main() {
  int cell = gl_VertexID / 6;
  ivec2 p = ivec2(cell % (size.x - 1), cell / (size.x - 1)) + corners[gl_VertexID % 6];
  float h = texelFetch(heights, p, 0).r;
  gap = h < 0.0 ? 1.0 : 0.0;
  at = (vec2(p) + 0.5) / vec2(size);
  vec2 flat_at = (at - 0.5) * vec2(2.0, -2.0) * vec2(size) / float(max(size.x, size.y));
  place = turn * vec3(flat_at, rise * (max(h, 0.0) - 0.5));
  float far = 1.0 - 0.25 * place.z;
  gl_Position = vec4(place.xy * scale / far, -0.4 * place.z, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D skin;
in vec2 at;
in vec3 place;
in float gap;
out vec4 colour;
void main() {
  if (gap > 0.0) discard;
  vec3 normal = normalize(cross(dFdx(place), dFdy(place)));
  float light = 0.4 + 0.6 * max(0.0, dot(normal, normalize(vec3(-0.4, 0.5, 0.8))));
  colour = vec4(texture(skin, at).rgb * light, 1.0);
}`;

function program(gl) {
  const made = gl.createProgram();
  for (const [type, text] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made) ?? "WebGL");
  return made;
}

function texture(gl, unit, filter) {
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  for (const [name, value] of [
    [gl.TEXTURE_MIN_FILTER, filter],
    [gl.TEXTURE_MAG_FILTER, filter],
    [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE],
    [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
  ])
    gl.texParameteri(gl.TEXTURE_2D, name, value);
}

/** What draws on `canvas`, or null where the browser cannot. */
export function surface(canvas) {
  const gl = canvas.getContext("webgl2", { preserveDrawingBuffer: true, antialias: true });
  if (!gl) return null;
  const made = program(gl);
  gl.useProgram(made);
  gl.enable(gl.DEPTH_TEST);
  gl.clearColor(0, 0, 0, 0);
  texture(gl, 0, gl.NEAREST);
  texture(gl, 1, gl.LINEAR);
  const place = (name) => gl.getUniformLocation(made, name);
  gl.uniform1i(place("heights"), 0);
  gl.uniform1i(place("skin"), 1);
  let size = [2, 2];
  return {
    /** heights in 0 … 1, below 0 where there is none. */
    shape(width, height, heights) {
      size = [width, height];
      gl.activeTexture(gl.TEXTURE0);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32F, width, height, 0, gl.RED, gl.FLOAT, heights);
    },
    skin(picture) {
      gl.activeTexture(gl.TEXTURE1);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, picture);
    },
    draw({ yaw, pitch, zoom, rise }) {
      const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
      const across = Math.min(canvas.width, canvas.height);
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      gl.uniform2i(place("size"), size[0], size[1]);
      gl.uniformMatrix3fv(place("turn"), false, [cy, sp * sy, -cp * sy, 0, cp, sp, sy, -sp * cy, cp * cy]);
      gl.uniform2f(place("scale"), (0.85 * zoom * across) / canvas.width, (0.85 * zoom * across) / canvas.height);
      gl.uniform1f(place("rise"), rise);
      gl.drawArrays(gl.TRIANGLES, 0, 6 * (size[0] - 1) * (size[1] - 1));
    },
  };
}
