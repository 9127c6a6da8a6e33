import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// The build is committed and embedded in the server, so it must come out the same everywhere: names
// are hashes of the content, and the libraries are a chunk of their own, which changes only with the
// lock file.
export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2023',
    assetsInlineLimit: 0, // the Content-Security-Policy allows no data: URL
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: 'libraries', test: /node_modules/ }] } },
    },
  },
  server: { proxy: { '/api': process.env.SHUAI_URL ?? 'http://127.0.0.1:7700' } },
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
})
